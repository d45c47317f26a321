// SPDX-License-Identifier: GPL-3.0-or-later
// Phi-3 and Phi-4-mini (Abdin et al. 2024) as Phi3ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family phi3_family;
const Family phi3_family = text_family("phi3");

}  // namespace luthier
