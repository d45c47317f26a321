// SPDX-License-Identifier: GPL-3.0-or-later
// GLM-4 (Zeng et al. 2024) as GlmForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family glm_family;
const Family glm_family = text_family("glm");

}  // namespace luthier
