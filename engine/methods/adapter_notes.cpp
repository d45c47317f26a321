// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/adapter_notes.h"

#include "engine/base/log.h"
#include "engine/config/recipe.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/vision/pixel_limits.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr int kFormatVersion = 1;

Result<std::optional<std::int64_t>> read_limit(const Json& image, const char* key,
                                               const std::string& where) {
  const auto found = image.find(key);
  if (found == image.end() || found->is_null()) return std::optional<std::int64_t>();
  LUTHIER_TRY(const std::int64_t pixels, json_int(image, key, where + ": image"));
  LUTHIER_CHECK(check_pixel_limit(pixels, where + ": image: " + key));
  return std::optional(pixels);
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
  MediaLimits pixels;
  const auto image = notes.find("image");
  if (image == notes.end() || image->is_null()) return pixels;
  if (!image->is_object()) return input_error("An object is expected.", where + ": image");
  LUTHIER_TRY(pixels.min_pixels, read_limit(*image, "min_pixels", where));
  LUTHIER_TRY(pixels.max_pixels, read_limit(*image, "max_pixels", where));
  return pixels;
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

Status write_adapter_notes(const fs::path& folder, const MediaLimits& pixels) {
  const auto limit = [](const std::optional<std::int64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  const Json notes = {
      {"format_version", kFormatVersion},
      {"image",
       {{"min_pixels", limit(pixels.min_pixels)}, {"max_pixels", limit(pixels.max_pixels)}}}};
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
  return MediaLimits{read->image.min_pixels, read->image.max_pixels};
}

MediaLimits chosen_pixels(const MediaLimits& asked, const MediaLimits& adapter) {
  return {asked.min_pixels ? asked.min_pixels : adapter.min_pixels,
          asked.max_pixels ? asked.max_pixels : adapter.max_pixels};
}

std::string pixels_text(const MediaLimits& pixels) {
  std::string text;
  if (pixels.min_pixels) text = "image.min_pixels " + std::to_string(*pixels.min_pixels);
  if (pixels.max_pixels)
    text += (text.empty() ? "" : ", ") + ("image.max_pixels " + std::to_string(*pixels.max_pixels));
  return text;
}

}  // namespace luthier
