// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen3.5 (Qwen3_5ForConditionalGeneration): Qwen3-VL's tower without DeepStack; three of four of
// the decoder's layers carry a state by the gated delta rule, the others gate what attention gives
// and turn a quarter of each head. What predicts several tokens ahead (mtp.…) is not loaded, as in
// transformers.
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

const QwenGeneration qwen3_5_generation = qwen3_5_pictures("qwen3_5", "qwen3_5_text");
const Family qwen3_5_family = qwen_family<qwen3_5_generation>();

}  // namespace luthier
