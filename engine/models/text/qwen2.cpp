// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2 and Qwen2.5 (Yang et al. 2024) as Qwen2ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family qwen2_family;
const Family qwen2_family = text_family("qwen2");

}  // namespace luthier
