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
};

std::string known_film_types() {
  std::string names;
  for (const FilmProcessorRow& row : kFilmProcessors)
    names += (names.empty() ? "" : ", ") + std::string(row.type);
  return names;
}

}  // namespace

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

Result<std::unique_ptr<FilmProcessor>> FilmProcessor::load(const std::filesystem::path& folder,
                                                           const std::string& type,
                                                           const FilmLimits& limits) {
  std::error_code ignored;
  Json config;
  std::string where;
  const std::filesystem::path whole = folder / "processor_config.json";
  if (std::filesystem::exists(whole, ignored)) {
    LUTHIER_TRY(const Json file, read_json_file(whole));
    if (file.is_object() && file.contains("video_processor")) {
      config = file["video_processor"];
      where = whole.string() + ": video_processor";
    }
  }
  for (const char* name : {"video_preprocessor_config.json", "preprocessor_config.json"}) {
    const std::filesystem::path path = folder / name;
    if (!where.empty() || !std::filesystem::exists(path, ignored)) continue;
    LUTHIER_TRY(config, read_json_file(path));
    where = path.string();
  }
  if (where.empty())
    return input_error("The folder has no video processor.", folder.string(),
                       "Save the model's processor into it.");
  if (config.is_object() && !detail::present(config, "video_processor_type"))
    config["video_processor_type"] = type;
  return create(config, where, limits);
}

}  // namespace luthier
