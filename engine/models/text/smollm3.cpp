// SPDX-License-Identifier: GPL-3.0-or-later
// SmolLM3 (Bakouch et al. 2025) as SmolLM3ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family smollm3_family;
const Family smollm3_family = text_family("smollm3");

}  // namespace luthier
