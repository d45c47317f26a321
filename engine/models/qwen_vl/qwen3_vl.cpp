// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen3-VL: learned positions stretched over each picture, features of several tower layers added
// into the first decoder layers (DeepStack, Meng et al. 2024), a Qwen3 decoder whose frequencies
// take turns among the position axes.
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

const QwenGeneration qwen3_vl_generation = qwen3_vl_pictures("qwen3_vl", "qwen3_vl_text");
const Family qwen3_vl_family = qwen_family<qwen3_vl_generation>();

}  // namespace luthier
