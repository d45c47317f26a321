// SPDX-License-Identifier: GPL-3.0-or-later
// The Qwen-VL families, each equal to its ForConditionalGeneration class in transformers 5.17,
// under its in-memory names. A generation's file holds its row of options and its row of the family
// table.
#pragma once

#include "engine/models/qwen_vl/qwen_options.h"
#include "engine/models/vlm.h"

namespace luthier {

Result<std::shared_ptr<VisionLanguageModel>> build_qwen_vl(const QwenGeneration& generation,
                                                           const Json& config,
                                                           const std::string& where,
                                                           const torch::TensorOptions& tensors);
Result<ImageTokens> qwen_image_tokens(const QwenGeneration& generation, const Json& config,
                                      const std::filesystem::path& folder);

/// visual.… and model.… (what hubs have), or the names in memory → the names in memory.
std::string qwen_memory_name(const std::string& stored);
/// What save_pretrained writes for the generations that keep the old names; the others' stored
/// names are those in memory.
std::string qwen_old_name(const std::string& memory);
std::string qwen_same_name(const std::string& memory);

/// The family table's row of a generation.
template <const QwenGeneration& generation>
Family qwen_family() {
  return {generation.model_type,
          [](const Json& config, const std::string& where, const torch::TensorOptions& tensors) {
            return build_qwen_vl(generation, config, where, tensors);
          },
          qwen_memory_name,
          generation.old_names ? qwen_old_name : qwen_same_name,
          [](const Json& config, const std::filesystem::path& folder) {
            return qwen_image_tokens(generation, config, folder);
          },
          [](const Json& config, const std::string& where) -> Result<TokenId> {
            LUTHIER_TRY(const QwenVlOptions options,
                        read_qwen_vl_options(generation, config, where));
            return options.image_token_id;
          }};
}

extern const Family qwen2_vl_family, qwen2_5_vl_family, qwen3_vl_family;

}  // namespace luthier
