// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: the answers of the rows are learned token by token.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind sft_objective_kind() {
  return {{"sft",
           "Supervised tuning on the answers of the rows.",
           rows::fields_of(
               {rows::kind_optional_number(
                    "sft.router_aux_loss_coef", "Weight of even experts",
                    "How much it counts that experts are used evenly (TRL's). Empty: as the "
                    "checkpoint says, where its text config has output_router_logits; 0: not at "
                    "all.")
                    .at_least(0)
                    .at_most(1e6)
                    .advanced()}),
           {"training.loss_on"},
           {},
           nullptr,
           true}};
}

}  // namespace luthier
