// SPDX-License-Identifier: GPL-3.0-or-later
// Mistral (Jiang et al. 2023) as MistralForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family mistral_family;
const Family mistral_family = text_family("mistral");

}  // namespace luthier
