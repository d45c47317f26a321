// SPDX-License-Identifier: GPL-3.0-or-later
// Odds ratio preference optimization (Hong et al. 2024): settings under the names and defaults of
// TRL's ORPOConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/router_rows.h"

namespace luthier {

ObjectiveKind orpo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"orpo",
       "Odds ratio preference optimization: the chosen answer is learned, and its odds are raised "
       "above the rejected one's; there is no reference.",
       later_fields_of(
           {kind_number("orpo.beta", "Beta",
                        "How much the odds of the two answers count beside the likelihood of "
                        "prompt and chosen answer.",
                        0.1)
                .at_least(0),
            router_loss("orpo.router_aux_loss_coef")}),
       {},
       {},
       nullptr}};
  kind.row_kind = "preference_whole";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
