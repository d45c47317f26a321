// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/glm4v/glm4v.h"

namespace luthier {

namespace {

constexpr QwenGeneration glm_pictures(const char* model_type, bool flat, const char* processor) {
  return {.model_type = model_type,
          .text_type = "glm4v_text",
          .flat = flat,
          .depth = 24,
          .width = 1536,
          .out = 4096,
          .heads = 12,
          .intermediate = 13696,
          .activation = "silu",
          .patch_bias = true,
          .rms_norms = true,
          .gated_mlp = true,
          .convolved = true,
          .image_token = 151343,
          .mark = "<|image|>",
          .processor = processor};
}

}  // namespace

const QwenGeneration glm4v_generation = glm_pictures("glm4v", true, "Glm4vImageProcessor");
const Family glm4v_family = qwen_family<glm4v_generation>();

const QwenGeneration glm46v_generation = glm_pictures("glm46v", false, "Glm46VImageProcessor");
const Family glm46v_family = qwen_family<glm46v_generation>();

}  // namespace luthier
