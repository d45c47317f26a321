// SPDX-License-Identifier: GPL-3.0-or-later
// Files have the names of the original repository; transformers' conversion_mapping.py
// ("deepseek_ocr2") says what they are in memory. Behind "model." each begins in one of these ways.
#include <string_view>

#include "engine/models/deepseek_ocr2/deepseek_ocr2.h"

namespace luthier {

namespace {

struct DeepseekName {
  std::string_view stored, memory;
};

constexpr DeepseekName kDeepseekBeginnings[] = {
    {"sam_model.blocks.", "vision_tower.sam_encoder.layers."},
    {"sam_model.patch_embed.proj.", "vision_tower.sam_encoder.patch_embed.projection."},
    {"sam_model.pos_embed", "vision_tower.sam_encoder.pos_embed"},
    {"sam_model.neck.0.", "vision_tower.sam_encoder.neck.conv1."},
    {"sam_model.neck.1.", "vision_tower.sam_encoder.neck.layer_norm1."},
    {"sam_model.neck.2.", "vision_tower.sam_encoder.neck.conv2."},
    {"sam_model.neck.3.", "vision_tower.sam_encoder.neck.layer_norm2."},
    {"sam_model.net_2.", "vision_tower.sam_encoder.proj.conv1."},
    {"sam_model.net_3.", "vision_tower.sam_encoder.proj.conv2."},
    {"qwen2_model.model.model.layers.", "vision_tower.vision_encoder.layers."},
    {"qwen2_model.model.model.norm.", "vision_tower.vision_encoder.norm."},
    {"qwen2_model.query_768.", "vision_tower.query_768_resolution."},
    {"qwen2_model.query_1024.", "vision_tower.query_1024_resolution."},
    {"projector.layers.", "multi_modal_projector."},
    {"view_seperator", "view_separator"},
    {"embed_tokens.", "language_model.embed_tokens."},
    {"layers.", "language_model.layers."},
    {"norm.", "language_model.norm."},
};
constexpr std::string_view kDeepseekModel = "model.";

/// Of one of SAM's layers; `from` to `to` in both of its norms' names.
std::string with_norms(std::string name, std::string_view layers, std::string_view from,
                       std::string_view to) {
  if (!name.starts_with(layers)) return name;
  const std::size_t at = name.find(from, layers.size());
  if (at != std::string::npos) name.replace(at, from.size(), to);
  return name;
}

}  // namespace

std::string deepseek_ocr2_memory_name(const std::string& stored) {
  if (stored.starts_with("lm_head.")) return stored;
  std::string rest =
      stored.starts_with(kDeepseekModel) ? stored.substr(kDeepseekModel.size()) : stored;
  for (const DeepseekName& name : kDeepseekBeginnings) {
    if (!rest.starts_with(name.stored)) continue;
    rest.replace(0, name.stored.size(), name.memory);
    break;
  }
  return std::string(kDeepseekModel) +
         with_norms(rest, "vision_tower.sam_encoder.layers.", ".norm", ".layer_norm");
}

std::string deepseek_ocr2_stored_name(const std::string& memory) {
  if (!memory.starts_with(kDeepseekModel)) return memory;
  std::string rest = memory.substr(kDeepseekModel.size());
  for (const DeepseekName& name : kDeepseekBeginnings) {
    if (!rest.starts_with(name.memory)) continue;
    rest.replace(0, name.memory.size(), name.stored);
    break;
  }
  return std::string(kDeepseekModel) +
         with_norms(rest, "sam_model.blocks.", ".layer_norm", ".norm");
}

}  // namespace luthier
