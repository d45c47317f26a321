// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen3 (Yang et al. 2025) as Qwen3ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family qwen3_family;
const Family qwen3_family = text_family("qwen3");

}  // namespace luthier
