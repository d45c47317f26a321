// SPDX-License-Identifier: GPL-3.0-or-later
// GLM-4-0414 as Glm4ForCausalLM of transformers 5.17: norms behind attention and MLP, too.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family glm4_family;
const Family glm4_family = text_family("glm4");

}  // namespace luthier
