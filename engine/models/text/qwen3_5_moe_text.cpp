// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Qwen3.5 with mixtures of experts, as Qwen3_5MoeForCausalLM of transformers 5.17.
#include "engine/models/expert_names.h"
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family qwen3_5_moe_text_family;
const Family qwen3_5_moe_text_family = [] {
  Family family = text_family("qwen3_5_moe_text");
  family.memory_name = text_half_memory_name;
  family.pieces_of = pieces_of_experts;
  return family;
}();

}  // namespace luthier
