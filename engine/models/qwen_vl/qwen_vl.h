// SPDX-License-Identifier: GPL-3.0-or-later
// The Qwen-VL families, and GLM-V's (engine/models/glm4v), each equal to its
// ForConditionalGeneration class in transformers 5.17, under its in-memory names. A generation's
// file holds its row of options and its row of the family table.
#pragma once

#include "engine/models/family.h"
#include "engine/models/qwen_vl/qwen_options.h"

namespace luthier {

Result<Plan> read_qwen_vl(const QwenGeneration& generation, const Json& config,
                          const std::filesystem::path& folder);

/// visual.… and model.… (what hubs have), or the names in memory → the names in memory.
std::string qwen_memory_name(const std::string& stored);
/// What save_pretrained writes for the generations that keep the old names; the others' stored
/// names are those in memory.
std::string qwen_old_name(const std::string& memory);

/// The family table's row of a generation.
template <const QwenGeneration& generation>
Family qwen_family() {
  Family family{generation.model_type, true,
                [](const Json& config, const std::filesystem::path& folder) {
                  return read_qwen_vl(generation, config, folder);
                },
                qwen_memory_name, generation.old_names ? qwen_old_name : same_name};
  family.by_tensors.rope_deltas = true;
  return family;
}

extern const Family qwen2_vl_family, qwen2_5_vl_family, qwen3_vl_family, qwen3_vl_moe_family,
    qwen3_5_family, qwen3_5_moe_family;

}  // namespace luthier
