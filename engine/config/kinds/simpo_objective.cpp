// SPDX-License-Identifier: GPL-3.0-or-later
// SimPO (Meng et al. 2024) by its own name: what cpo is with loss_type simpo and cpo_alpha 0, under
// the names and defaults of TRL's CPOConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/contrast_rows.h"
#include "engine/config/kinds/router_rows.h"

namespace luthier {

ObjectiveKind simpo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"simpo",
       "Simple preference optimization: the chosen answer against the rejected one, each by its "
       "mean over tokens, without a reference and with a margin.",
       later_fields_of({
           contrast_beta("simpo.beta"),
           target_margin("simpo.simpo_gamma",
                         "By how much the chosen answer is to lead, divided by beta."),
           kind_number("simpo.label_smoothing", "Label smoothing",
                       "The share of pairs that may be the wrong way round.", 0)
               .at_least(0)
               .at_most(1)
               .advanced(),
           reward_alpha("simpo.alpha"),
           router_loss("simpo.router_aux_loss_coef"),
       }),
       {},
       {}}};
  kind.row_kind = "preference";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
