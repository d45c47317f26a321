// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2.5-VL (Bai et al. 2025): Qwen2-VL with a tower of RMS norms and gated layers, most of which
// look through windows.
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

const QwenGeneration qwen2_5_vl_generation{.model_type = "qwen2_5_vl",
                                           .text_type = "qwen2_5_vl_text",
                                           .flat = true,
                                           .old_names = true,
                                           .width = 3584,
                                           .intermediate = 3420,
                                           .activation = "silu",
                                           .rms_norms = true,
                                           .gated_mlp = true,
                                           .windows = true,
                                           .film_mark = "<|video_pad|>",
                                           .seconds = true};
const Family qwen2_5_vl_family = qwen_family<qwen2_5_vl_generation>();

}  // namespace luthier
