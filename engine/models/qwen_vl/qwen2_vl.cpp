// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2-VL (Wang et al. 2024): a pre-norm tower of plain layers, a Qwen2 decoder with three
// position axes.
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

const QwenGeneration qwen2_vl_generation{.model_type = "qwen2_vl",
                                         .text_type = "qwen2_vl_text",
                                         .flat = true,
                                         .old_names = true,
                                         .width_key = "embed_dim",
                                         .out_key = "hidden_size",
                                         .width = 1280,
                                         .film_mark = "<|video_pad|>"};
const Family qwen2_vl_family = qwen_family<qwen2_vl_generation>();

}  // namespace luthier
