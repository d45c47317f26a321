// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen3.5 with mixtures of experts (Qwen3_5MoeForConditionalGeneration): every layer of the decoder
// has one, with an expert beside it that all tokens go through. Hubs' files hold the experts as
// stacks, as they stand in memory; those that transformers writes of a model that was not loaded
// from such files hold each expert's matrices.
#include "engine/models/expert_names.h"
#include "engine/models/qwen_vl/qwen_vl.h"

namespace luthier {

const QwenGeneration qwen3_5_moe_generation = qwen3_5_pictures("qwen3_5_moe", "qwen3_5_moe_text");
const Family qwen3_5_moe_family = [] {
  Family family = qwen_family<qwen3_5_moe_generation>();
  family.pieces_of = pieces_of_experts;
  return family;
}();

}  // namespace luthier
