// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Llama 3.2 Vision by itself, as MllamaForCausalLM of transformers 5.17: text
// passes by the layers that look across to pictures.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family mllama_text_model_family;
const Family mllama_text_model_family = text_family("mllama_text_model");

}  // namespace luthier
