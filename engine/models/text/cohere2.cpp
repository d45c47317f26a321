// SPDX-License-Identifier: GPL-3.0-or-later
// Command R7B's and Command A's decoder (Cohere 2025) as Cohere2ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family cohere2_family;
const Family cohere2_family = text_family("cohere2");

}  // namespace luthier
