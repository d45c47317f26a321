// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/llava/llava_names.h"

#include <array>
#include <string_view>

#include "engine/io/json.h"
#include "engine/models/processor_files.h"

namespace luthier {

namespace {

struct Renaming {
  std::string_view from, to;
};

std::string rename_first(const std::string& name, const auto& table) {
  for (const Renaming& row : table) {
    if (name.starts_with(row.from)) return std::string(row.to) + name.substr(row.from.size());
  }
  return name;
}

}  // namespace

std::string llava_memory_name(const std::string& stored) {
  static constexpr std::array<Renaming, 9> kTable{{
      {"image_newline", "model.image_newline"},
      {"language_model.lm_head.", "lm_head."},
      {"model.language_model.lm_head.", "lm_head."},
      {"language_model.model.", "model.language_model."},
      {"model.vision_tower.vision_model.", "model.vision_tower."},
      {"vision_tower.vision_model.", "model.vision_tower."},
      {"vision_tower.", "model.vision_tower."},
      {"multi_modal_projector.", "model.multi_modal_projector."},
      {"language_model.", "model.language_model."},
  }};
  return rename_first(stored, kTable);
}

std::string llava_stored_name(const std::string& memory) {
  static constexpr std::array<Renaming, 5> kTable{{
      {"model.image_newline", "image_newline"},
      {"lm_head.", "language_model.lm_head."},
      {"model.language_model.", "language_model.model."},
      {"model.vision_tower.", "vision_tower."},
      {"model.multi_modal_projector.", "multi_modal_projector."},
  }};
  return rename_first(memory, kTable);
}

Result<LlavaProcessorSettings> read_llava_processor_settings(const std::filesystem::path& folder,
                                                             const LlavaOptions& options) {
  LlavaProcessorSettings settings;
  settings.patch_size = options.vision.patch_size;
  settings.drop_first_feature = options.drop_first_feature;
  // What makes the count right for a processor that says nothing: the class token that "default"
  // drops again.
  settings.num_additional_image_tokens = options.vision.class_embedding ? 1 : 0;
  for (const char* name : {"preprocessor_config.json", "processor_config.json"}) {
    const auto path = folder / name;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    LUTHIER_TRY(const Json config, read_json_file(path));
    const std::string where = path.string();
    if (!config.is_object()) return input_error("An object is expected.", where);
    LUTHIER_TRY(settings.patch_size, json_int(config, "patch_size", where, settings.patch_size));
    if (settings.patch_size < 1 || settings.patch_size > 4096)
      return input_error("patch_size must be between 1 and 4096.", where + ": patch_size");
    const bool is_processor = std::string_view(name) == "processor_config.json";
    if (is_processor) {
      LUTHIER_TRY(settings.num_additional_image_tokens,
                  json_int(config, "num_additional_image_tokens", where, 0));
      if (settings.num_additional_image_tokens < 0 || settings.num_additional_image_tokens > 1024) {
        return input_error("num_additional_image_tokens must be between 0 and 1024.",
                           where + ": num_additional_image_tokens");
      }
    }
    LUTHIER_TRY(std::string strategy,
                json_string(config, "vision_feature_select_strategy", where,
                            settings.drop_first_feature ? "default" : "full"));
    settings.drop_first_feature = strategy == "default";
    LUTHIER_TRY(settings.image_token,
                json_string(config, "image_token", where, settings.image_token));
    if (settings.image_token.empty() || settings.image_token.size() > 256)
      return input_error("The image token must have 1 to 256 bytes.", where + ": image_token");
  }
  LUTHIER_TRY(settings.image_token,
              tokenizer_attribute(folder, "image_token", settings.image_token));
  return settings;
}

}  // namespace luthier
