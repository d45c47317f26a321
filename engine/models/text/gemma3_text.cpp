// SPDX-License-Identifier: GPL-3.0-or-later
// The text half of Gemma 3 (Gemma Team 2025) by itself, as Gemma3ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

namespace {

Result<Plan> read_gemma3_text(const Json& config, const std::filesystem::path& folder) {
  // No published checkpoint has one, and every loss would have to know of it.
  if (const auto cap = config.find("final_logit_softcapping");
      cap != config.end() && !cap->is_null()) {
    return input_error("Logits with a softcap cannot be trained here.",
                       (folder / "config.json").string() + ": final_logit_softcapping");
  }
  return read_text_model(config, folder);
}

}  // namespace

extern const Family gemma3_text_family;
const Family gemma3_text_family{"gemma3_text", /*takes_pictures=*/false, read_gemma3_text,
                                text_memory_name, same_name};

}  // namespace luthier
