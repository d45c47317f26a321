// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Gemma 4 (Gemma Team 2026) by itself, as Gemma4ForCausalLM of transformers 5.17:
// its small models with embeddings for each layer, the large ones, and those with experts.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family gemma4_text_family;
const Family gemma4_text_family = [] {
  Family family = text_family("gemma4_text");
  family.memory_name = text_half_memory_name;
  return family;
}();

}  // namespace luthier
