// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Gemma 3n (Gemma Team 2025) by itself, as Gemma3nForCausalLM of transformers
// 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family gemma3n_text_family;
const Family gemma3n_text_family = [] {
  Family family = text_family("gemma3n_text");
  family.memory_name = text_half_memory_name;
  return family;
}();

}  // namespace luthier
