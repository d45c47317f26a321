// SPDX-License-Identifier: GPL-3.0-or-later
// Finds a checkpoint's video processor: which file holds its settings, which type it names, and the
// table row that builds it.
#include "engine/vision/film_processor.h"

#include "engine/vision/processor_settings.h"
#include "engine/vision/processors.h"

namespace luthier {

namespace {

struct FilmProcessorRow {
  const char* type;
  detail::MadeFilmProcessor (*create)(const Json&, const std::string&, const FilmLimits&);
};

constexpr FilmProcessorRow kFilmProcessors[] = {
    {"Qwen2VLVideoProcessor", detail::create_qwen_film_processor},
    {"Qwen3VLVideoProcessor", detail::create_qwen3_film_processor},
    {"SmolVLMVideoProcessor", detail::create_smolvlm_film_processor},
    {"LlavaOnevisionVideoProcessor", detail::create_llava_onevision_film_processor},
};

std::string known_film_types() {
  std::string names;
  for (const FilmProcessorRow& row : kFilmProcessors)
    names += (names.empty() ? "" : ", ") + std::string(row.type);
  return names;
}

Result<std::optional<double>> film_fps(const Json& config, const std::string& where) {
  LUTHIER_TRY(const double fps, json_number(config, "fps", where, 0));
  if (!(fps > 0 && fps <= kMaxFps))
    return input_error("Frames per second must be above 0 and at most a million.", where + ": fps");
  return std::optional(fps);
}

}  // namespace

Result<FrameChoice> detail::read_frame_choice(const Json& config, const std::string& where,
                                              const FilmLimits& limits, FrameChoice choice) {
  const bool both = choice.rule == FrameRule::Inner;
  if (!both && limits.num_frames && limits.fps)
    return input_error("A number of frames and frames per second are both asked for.",
                       "film.num_frames, film.fps", "Clear one of them.");
  LUTHIER_TRY(choice.temporal_patch_size,
              json_int_in(config, "temporal_patch_size", where, choice.temporal_patch_size, 1, 64));
  LUTHIER_TRY(choice.min_frames,
              json_int_in(config, "min_frames", where, choice.min_frames, 0, kMaxFilmFrames));
  LUTHIER_TRY(choice.max_frames,
              json_int_in(config, "max_frames", where, choice.max_frames, 1, kMaxFilmFrames));
  LUTHIER_TRY(choice.samples, json_bool(config, "do_sample_frames", where, choice.samples));
  if (present(config, "num_frames")) {
    LUTHIER_TRY(choice.num_frames, json_int_in(config, "num_frames", where, 0, 1, kMaxFilmFrames));
  }
  if (config.contains("fps")) choice.fps.reset();  // null takes the kind's own away
  if (present(config, "fps")) {
    LUTHIER_TRY(choice.fps, film_fps(config, where));
  }
  if (!choice.samples && !both) choice.num_frames.reset(), choice.fps.reset();
  if (limits.num_frames || limits.fps) {
    choice.samples = choice.by_recipe = true;
    if (!both) choice.num_frames.reset(), choice.fps.reset();
    if (limits.num_frames) choice.num_frames = limits.num_frames;
    if (limits.fps) choice.fps = limits.fps;
  }
  if (limits.min_frames) choice.min_frames = *limits.min_frames;
  if (limits.max_frames) choice.max_frames = *limits.max_frames;
  if (!both && choice.num_frames && choice.fps)
    return input_error("A number of frames and frames per second are both asked for.",
                       where + ": num_frames, fps", "Clear one of them.");
  return choice;
}

Result<std::unique_ptr<FilmProcessor>> FilmProcessor::create(const Json& config,
                                                             const std::string& where,
                                                             const FilmLimits& limits) {
  if (!config.is_object())
    return input_error("The video processor's settings are not an object.", where);
  LUTHIER_TRY(const std::string type, json_string(config, "video_processor_type", where, ""));
  for (const FilmProcessorRow& row : kFilmProcessors)
    if (type == row.type) return row.create(config, where, limits);
  return input_error("The video processor type \"" + type + "\" is not known.",
                     where + ": video_processor_type", "Known types: " + known_film_types() + ".");
}

Result<detail::FoundFilmSettings> detail::find_film_settings(const std::filesystem::path& folder,
                                                             const std::string& type) {
  std::error_code ignored;
  FoundFilmSettings found;
  const std::filesystem::path whole = folder / "processor_config.json";
  if (std::filesystem::exists(whole, ignored)) {
    LUTHIER_TRY(const Json file, read_json_file(whole));
    if (file.is_object() && file.contains("video_processor")) {
      found.config = file["video_processor"];
      found.where = whole.string() + ": video_processor";
      found.in_whole = true;
    }
  }
  for (const char* name : {"video_preprocessor_config.json", "preprocessor_config.json"}) {
    const std::filesystem::path path = folder / name;
    if (!found.where.empty() || !std::filesystem::exists(path, ignored)) continue;
    LUTHIER_TRY(found.config, read_json_file(path));
    found.where = path.string();
  }
  if (found.where.empty())
    return input_error("The folder has no video processor.", folder.string(),
                       "Save the model's processor into it.");
  if (found.config.is_object() && !present(found.config, "video_processor_type"))
    found.config["video_processor_type"] = type;
  return found;
}

Result<std::unique_ptr<FilmProcessor>> FilmProcessor::load(const std::filesystem::path& folder,
                                                           const std::string& type,
                                                           const FilmLimits& limits) {
  LUTHIER_TRY(const detail::FoundFilmSettings found, detail::find_film_settings(folder, type));
  return create(found.config, found.where, limits);
}

}  // namespace luthier
