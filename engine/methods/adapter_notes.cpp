// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/adapter_notes.h"

#include "engine/base/log.h"
#include "engine/config/recipe.h"
#include "engine/data/media_limits.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/vision/pixel_limits.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr int kFormatVersion = 1;

/// `where` names the section.
Result<std::optional<std::int64_t>> read_limit(const Json& section, const char* key,
                                               const std::string& where) {
  const auto found = section.find(key);
  if (found == section.end() || found->is_null()) return std::optional<std::int64_t>();
  LUTHIER_TRY(const std::int64_t pixels, json_int(section, key, where));
  LUTHIER_CHECK(check_pixel_limit(pixels, where + ": " + key));
  return std::optional(pixels);
}

Result<Json> read_section(const Json& notes, const char* key, const std::string& where) {
  const auto found = notes.find(key);
  if (found == notes.end() || found->is_null()) return Json(Json::object());
  if (!found->is_object()) return input_error("An object is expected.", where + ": " + key);
  return Json(*found);
}

Result<std::optional<std::int64_t>> read_frames(const Json& section, const char* key,
                                                const std::string& where) {
  const auto found = section.find(key);
  if (found == section.end() || found->is_null()) return std::optional<std::int64_t>();
  LUTHIER_TRY(const std::int64_t frames, json_int(section, key, where));
  if (frames < 1 || frames > kMaxFilmFrames)
    return input_error("A number of frames must be at least 1.", where + ": " + key);
  return std::optional(frames);
}

Result<FilmLimits> read_film(const Json& film, const std::string& where) {
  FilmLimits limits;
  LUTHIER_TRY(limits.num_frames, read_frames(film, "num_frames", where));
  LUTHIER_TRY(limits.min_frames, read_frames(film, "min_frames", where));
  LUTHIER_TRY(limits.max_frames, read_frames(film, "max_frames", where));
  LUTHIER_TRY(limits.pixels.min_pixels, read_limit(film, "min_pixels", where));
  LUTHIER_TRY(limits.pixels.max_pixels, read_limit(film, "max_pixels", where));
  if (!film.contains("fps") || film["fps"].is_null()) return limits;
  LUTHIER_TRY(limits.fps, json_number(film, "fps", where, 0));
  if (!(*limits.fps > 0 && *limits.fps <= kMaxFps))
    return input_error("Frames per second must be above 0 and at most a million.", where + ": fps");
  return limits;
}

Result<MediaLimits> read_notes(const fs::path& path) {
  const std::string where = path.string();
  LUTHIER_TRY(const std::string text, read_file(path, 1u << 20));
  LUTHIER_TRY(const Json notes, parse_json(text, where));
  if (!notes.is_object()) return input_error("An object is expected.", where);
  LUTHIER_TRY(const std::int64_t version, json_int(notes, "format_version", where));
  if (version > kFormatVersion) {
    return input_error("A newer version of Luthier wrote this adapter.", where + ": format_version",
                       "Use that version.");
  }
  MediaLimits limits;
  LUTHIER_TRY(const Json image, read_section(notes, "image", where));
  LUTHIER_TRY(limits.min_pixels, read_limit(image, "min_pixels", where + ": image"));
  LUTHIER_TRY(limits.max_pixels, read_limit(image, "max_pixels", where + ": image"));
  LUTHIER_TRY(const Json film, read_section(notes, "film", where));
  LUTHIER_TRY(limits.film, read_film(film, where + ": film"));
  return limits;
}

/// The recipe of the run whose result (RUN/adapter) or checkpoint
/// (RUN/checkpoints/step-000100/adapter) the folder is.
fs::path recipe_around(const fs::path& folder) {
  std::error_code problem;
  const fs::path whole = fs::weakly_canonical(folder, problem);
  if (problem || whole.filename() != "adapter") return {};
  fs::path run = whole.parent_path();
  if (run.parent_path().filename() == "checkpoints") run = run.parent_path().parent_path();
  return fs::is_regular_file(run / "recipe.yaml", problem) ? run / "recipe.yaml" : fs::path();
}

}  // namespace

Result<FilmLimits> read_film_limits(const Json& film, const std::string& where) {
  return read_film(film, where);
}

Json film_limits_json(const FilmLimits& film) {
  const auto value = [](const auto& limit) { return limit ? Json(*limit) : Json(nullptr); };
  return {
      {"num_frames", value(film.num_frames)},        {"fps", value(film.fps)},
      {"min_frames", value(film.min_frames)},        {"max_frames", value(film.max_frames)},
      {"min_pixels", value(film.pixels.min_pixels)}, {"max_pixels", value(film.pixels.max_pixels)}};
}

Status write_adapter_notes(const fs::path& folder, const MediaLimits& pixels) {
  const auto limit = [](const std::optional<std::int64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  Json notes = {
      {"format_version", kFormatVersion},
      {"image",
       {{"min_pixels", limit(pixels.min_pixels)}, {"max_pixels", limit(pixels.max_pixels)}}}};
  if (pixels.film.any()) notes["film"] = film_limits_json(pixels.film);
  return write_file_atomically(folder / kAdapterNotesName, notes.dump(2) + "\n");
}

Result<MediaLimits> adapter_pixels(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / kAdapterNotesName, ignored))
    return read_notes(folder / kAdapterNotesName);
  const fs::path recipe = recipe_around(folder);
  if (recipe.empty()) return MediaLimits();
  const auto text = read_file(recipe, 16u << 20);
  const auto read = text ? parse_recipe(*text, recipe.string()) : Result<Recipe>(text.error());
  if (!read) {
    log_warning("Whether this adapter was trained under pixel limits is not known: " +
                read.error().sentence());
    return MediaLimits();
  }
  return media_limits(*read);
}

MediaLimits chosen_pixels(const MediaLimits& asked, const MediaLimits& adapter) {
  const auto either = [](const auto& mine, const auto& own) { return mine ? mine : own; };
  const auto range = [&](const PixelLimits& mine, const PixelLimits& own) {
    return PixelLimits{either(mine.min_pixels, own.min_pixels),
                       either(mine.max_pixels, own.max_pixels)};
  };
  FilmLimits film = asked.film;
  if (!film.num_frames && !film.fps)  // the one stands for the other's
    film.num_frames = adapter.film.num_frames, film.fps = adapter.film.fps;
  film.min_frames = either(film.min_frames, adapter.film.min_frames);
  film.max_frames = either(film.max_frames, adapter.film.max_frames);
  film.pixels = range(film.pixels, adapter.film.pixels);
  return {range(asked, adapter), film};
}

std::string pixels_text(const MediaLimits& pixels) {
  std::string text;
  const auto add = [&text](const std::string& key, const Json& value) {
    if (!value.is_null()) text += (text.empty() ? "" : ", ") + key + " " + value.dump();
  };
  if (pixels.min_pixels) add("image.min_pixels", *pixels.min_pixels);
  if (pixels.max_pixels) add("image.max_pixels", *pixels.max_pixels);
  const Json film = film_limits_json(pixels.film);  // items() refers to it
  for (const auto& [key, value] : film.items()) add("film." + key, value);
  return text;
}

}  // namespace luthier
