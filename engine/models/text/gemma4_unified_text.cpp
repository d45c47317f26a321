// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Gemma 4 without a tower by itself, as Gemma4UnifiedForCausalLM of transformers
// 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family gemma4_unified_text_family;
const Family gemma4_unified_text_family = [] {
  Family family = text_family("gemma4_unified_text");
  family.memory_name = text_half_memory_name;
  return family;
}();

}  // namespace luthier
