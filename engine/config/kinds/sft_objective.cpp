// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: the answers of the rows are learned token by token.
#include "engine/config/kinds.h"
#include "engine/config/kinds/router_rows.h"

namespace luthier {

ObjectiveKind sft_objective_kind() {
  return {{"sft",
           "Supervised tuning on the answers of the rows.",
           rows::fields_of({rows::router_loss("sft.router_aux_loss_coef")}),
           {"training.loss_on"},
           {},
           nullptr,
           true}};
}

}  // namespace luthier
