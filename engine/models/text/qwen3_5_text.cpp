// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Qwen3.5 by itself, as Qwen3_5ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family qwen3_5_text_family;
const Family qwen3_5_text_family{"qwen3_5_text", /*takes_pictures=*/false, read_text_model,
                                 text_half_memory_name, same_name};

}  // namespace luthier
