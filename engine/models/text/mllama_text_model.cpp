// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Llama 3.2 Vision by itself, as MllamaForCausalLM of transformers 5.17: text
// passes by the layers that look across to pictures.
#include "engine/models/families.h"
#include "engine/models/text/text_model.h"

namespace luthier {

const Family mllama_text_model_family = text_family("mllama_text_model");

}  // namespace luthier
