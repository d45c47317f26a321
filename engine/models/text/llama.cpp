// SPDX-License-Identifier: GPL-3.0-or-later
// Llama (Touvron et al. 2023; Llama 2 and 3) as LlamaForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family llama_family;
const Family llama_family = text_family("llama");

}  // namespace luthier
