// SPDX-License-Identifier: GPL-3.0-or-later
// Binary classifier optimization (Jung et al. 2024): settings under the names and defaults of TRL
// 1.9's BCOConfig, after which TRL let go of it.
#include "engine/config/kinds.h"
#include "engine/config/kinds/reference_rows.h"
#include "engine/config/kinds/router_rows.h"

namespace luthier {

ObjectiveKind bco_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{{"bco",
                      "Binary classifier optimization: single answers that were found good or bad, "
                      "told apart at the mean of all rewards so far.",
                      later_fields_of({ref_model(), reference_beta("bco.beta"),
                                       router_loss("bco.router_aux_loss_coef")}),
                      {},
                      {},
                      nullptr}};
  kind.row_kind = "unpaired";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
