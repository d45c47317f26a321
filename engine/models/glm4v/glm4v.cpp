// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/glm4v/glm4v.h"

namespace luthier {

const QwenGeneration glm4v_generation{.model_type = "glm4v",
                                      .text_type = "glm4v_text",
                                      .flat = true,
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
                                      .processor = "Glm4vImageProcessor"};
const Family glm4v_family = qwen_family<glm4v_generation>();

}  // namespace luthier
