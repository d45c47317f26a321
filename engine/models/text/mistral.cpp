// SPDX-License-Identifier: GPL-3.0-or-later
// Mistral (Jiang et al. 2023) as MistralForCausalLM of transformers 5.17.
#include "engine/models/families.h"
#include "engine/models/text/text_model.h"

namespace luthier {

const Family mistral_family = text_family("mistral");

}  // namespace luthier
