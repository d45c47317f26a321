// SPDX-License-Identifier: GPL-3.0-or-later
// How a tuned checkpoint carries on what a recipe said of films.
#include "engine/io/files.h"
#include "engine/vision/processor_settings.h"
#include "engine/vision/processors.h"

namespace luthier {

namespace {

/// transformers has written a range as edges of `size`, as two numbers in it, and as two at the
/// top; all that are there are kept equal.
void put_pixels(Json& config, const PixelLimits& limits) {
  const auto put = [&config](const char* edge, const char* name,
                             const std::optional<std::int64_t>& value) {
    if (!value) return;
    const bool sized = config.contains("size") && config["size"].is_object();
    if (sized && config["size"].contains(name)) config["size"][name] = *value;
    if (sized && (config["size"].contains(edge) || !config["size"].contains(name)))
      config["size"][edge] = *value;
    if (!sized || config.contains(name)) config[name] = *value;
  };
  put("shortest_edge", "min_pixels", limits.min_pixels);
  put("longest_edge", "max_pixels", limits.max_pixels);
}

}  // namespace

Status store_film_limits(const std::filesystem::path& folder, const std::string& type,
                         const FilmLimits& limits) {
  if (!limits.any()) return {};
  LUTHIER_TRY(detail::FoundFilmSettings found, detail::find_film_settings(folder, type));
  // What the processor has no setting for is refused here, by name.
  LUTHIER_TRY(const auto processor, FilmProcessor::create(found.config, found.where, limits));
  Json& config = found.config;
  if (limits.num_frames || limits.fps) {
    const bool both = processor->choice().rule == FrameRule::Inner;
    config["do_sample_frames"] = true;
    if (limits.num_frames || !both)
      config["num_frames"] = limits.num_frames ? Json(*limits.num_frames) : Json(nullptr);
    if (limits.fps || !both) config["fps"] = limits.fps ? Json(*limits.fps) : Json(nullptr);
  }
  if (limits.min_frames) config["min_frames"] = *limits.min_frames;
  if (limits.max_frames) config["max_frames"] = *limits.max_frames;
  put_pixels(config, limits.pixels);
  if (!found.in_whole)
    return write_file_atomically(folder / "video_preprocessor_config.json", config.dump(2) + "\n");
  const std::filesystem::path whole = folder / "processor_config.json";
  LUTHIER_TRY(Json file, read_json_file(whole));
  file["video_processor"] = std::move(config);
  return write_file_atomically(whole, file.dump(2) + "\n");
}

}  // namespace luthier
