// SPDX-License-Identifier: GPL-3.0-or-later
// The table of families. A new one is a folder beside llava/ and a row here.
#include "engine/models/gemma/gemma3.h"
#include "engine/models/gemma/paligemma.h"
#include "engine/models/idefics3/idefics3.h"
#include "engine/models/internvl/internvl.h"
#include "engine/models/llava/llava.h"
#include "engine/models/llava_next/llava_next.h"
#include "engine/models/qwen_vl/qwen_vl.h"
#include "engine/models/vlm.h"

namespace luthier {

const std::vector<Family>& families() {
  static const std::vector<Family> table{
      llava_family,    llava_next_family, smolvlm_family,  idefics3_family,  internvl_family,
      qwen2_vl_family, qwen2_5_vl_family, qwen3_vl_family, paligemma_family, gemma3_family};
  return table;
}

Result<const Family*> find_family(const Json& config, const std::string& where) {
  if (!config.is_object()) return input_error("An object is expected.", where);
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where));
  std::string known;
  for (const Family& family : families()) {
    if (type == family.model_type) return &family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return input_error("The model_type \"" + type + "\" is not one that Luthier can load.",
                     where + ": model_type", "It loads: " + known + ".");
}

}  // namespace luthier
