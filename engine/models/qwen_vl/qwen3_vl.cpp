// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen3-VL: learned positions stretched over each picture, features of several tower layers added
// into the first decoder layers (DeepStack, Meng et al. 2024), a Qwen3 decoder whose frequencies
// take turns among the position axes.
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

const QwenGeneration qwen3_vl_generation{.model_type = "qwen3_vl",
                                         .text_type = "qwen3_vl_text",
                                         .depth = 27,
                                         .width = 1152,
                                         .patch = 16,
                                         .intermediate = 4304,
                                         .activation = "gelu_pytorch_tanh",
                                         .patch_bias = true,
                                         .learned_positions = true,
                                         .deepstack = true};
const Family qwen3_vl_family = qwen_family<qwen3_vl_generation>();

}  // namespace luthier
