// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/processor_files.h"

namespace luthier {

namespace {

/// A JSON object, or an empty one where there is no such file.
Result<Json> read_if_there(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json(Json::object());
  LUTHIER_TRY(Json config, read_json_file(path));
  if (!config.is_object()) return input_error("An object is expected.", path.string());
  return config;
}

}  // namespace

Result<std::string> tokenizer_attribute(const std::filesystem::path& folder, const std::string& key,
                                        const std::string& fallback) {
  const auto path = folder / "tokenizer_config.json";
  LUTHIER_TRY(const Json config, read_if_there(path));
  std::string token = fallback;
  const auto extra = config.find("extra_special_tokens");
  for (const Json* object :
       {&config, extra != config.end() && extra->is_object() ? &*extra : &config}) {
    const auto found = object->find(key);
    if (found == object->end() || found->is_null()) continue;
    const Json& value =
        found->is_object() && found->contains("content") ? (*found)["content"] : *found;
    if (!value.is_string())
      return input_error("A token's text is expected.", path.string() + ": " + key);
    token = value.get<std::string>();
  }
  if (token.empty() || token.size() > 256)
    return input_error("The token must have 1 to 256 bytes.", path.string() + ": " + key);
  return token;
}

Result<std::string> processor_token(const std::filesystem::path& folder, const std::string& key,
                                    const std::string& fallback) {
  const auto path = folder / "processor_config.json";
  LUTHIER_TRY(const Json config, read_if_there(path));
  LUTHIER_TRY(std::string token, json_string(config, key, path.string(), fallback));
  if (token.empty() || token.size() > 256)
    return input_error("The token must have 1 to 256 bytes.", path.string() + ": " + key);
  return token;
}

Result<std::int64_t> processor_count(const std::filesystem::path& folder, const std::string& key,
                                     std::int64_t fallback) {
  const auto path = folder / "processor_config.json";
  LUTHIER_TRY(const Json config, read_if_there(path));
  LUTHIER_TRY(const std::int64_t count, json_int(config, key, path.string(), fallback));
  if (count < 1 || count > (1 << 20))
    return input_error(key + " must be between 1 and 1048576.", path.string() + ": " + key);
  return count;
}

Result<PixelValues> outline_of(const ImageProcessor& processor, int width, int height,
                               const std::string& where) {
  auto outline = processor.outline(width, height);
  if (outline || !outline.error().where.empty()) return outline;
  Error error = outline.error();
  error.where = where;
  return error;
}

Status check_processor_number(const Json& config, const std::string& where, const std::string& key,
                              std::int64_t standard, std::int64_t tower) {
  LUTHIER_TRY(const std::int64_t found, json_int(config, key, where, standard));
  if (found == tower) return {};
  return input_error("The picture processor's " + key + " is " + std::to_string(found) +
                         ", the tower's " + std::to_string(tower) + ".",
                     where + ": " + key, "Processor and weights do not belong together.");
}

Error other_processor(const std::string& where, const std::string& type) {
  return input_error("The picture processor is not one of this family's.",
                     where + ": image_processor_type", "It must be a " + type + ".");
}

Result<PixelValues> frame_outline(const std::filesystem::path& folder,
                                  const ProcessorDefaults& defaults, std::size_t grid) {
  LUTHIER_TRY(const auto processor, ImageProcessor::load(folder, defaults));
  LUTHIER_TRY(PixelValues outline, outline_of(*processor, 64, 64, folder.string()));
  if (outline.shape.size() == 4 && outline.shape[1] == 3 && outline.grid.size() == grid)
    return outline;
  return input_error("The picture processor is not one of this family's.", folder.string(),
                     "image_processor_type in preprocessor_config.json does not belong to the "
                     "model_type in config.json.");
}

Status check_frame_tokens(std::int64_t written, std::int64_t features,
                          const std::filesystem::path& folder, const std::string& key) {
  if (written == features) return {};
  return input_error("A frame is written as " + std::to_string(written) + " tokens and comes to " +
                         std::to_string(features) + " features.",
                     (folder / "processor_config.json").string() + ": " + key,
                     "Processor and config.json do not belong together.");
}

Status check_fold(std::int64_t rows, std::int64_t columns, std::int64_t side,
                  const std::string& where) {
  if (rows >= 1 && columns >= 1 && rows % side == 0 && columns % side == 0) return {};
  return input_error("A frame of " + std::to_string(rows) + " by " + std::to_string(columns) +
                         " patches cannot be folded by " + std::to_string(side) + ".",
                     where,
                     "The size of the picture processor's frames must be a multiple of the patches "
                     "that become one token.");
}

std::string repeated(const std::string& token, std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) text += token;
  return text;
}

}  // namespace luthier
