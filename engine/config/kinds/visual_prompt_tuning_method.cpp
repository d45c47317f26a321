// SPDX-License-Identifier: GPL-3.0-or-later
// Visual prompt tuning (Jia et al. 2022): tokens among the patches of the picture tower, which are
// all that trains.
#include "engine/config/kinds.h"
#include "engine/config/kinds/prompt_rows.h"

namespace luthier {

MethodKind visual_prompt_tuning_method_kind() {
  MethodKind kind{
      {"visual_prompt_tuning",
       "Tokens in front of each picture's patches train, all weights stay fixed.",
       rows::fields_of({rows::num_virtual_tokens(),
                        rows::kind_choice("adapter.prompt_depth", "Where tokens are new",
                                          "shallow: before the tower's first block, and all blocks "
                                          "pass them on; deep: each block has new ones.",
                                          {"shallow", "deep"}, "shallow")}),
       {"adapter.init_from"},
       {{"training.learning_rate", 1e-2}}}};
  kind.peft_type = "VISUAL_PROMPT_TUNING";
  return kind;
}

}  // namespace luthier
