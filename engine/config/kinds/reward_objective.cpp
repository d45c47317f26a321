// SPDX-License-Identifier: GPL-3.0-or-later
// A reward model from pairs of answers (Bradley and Terry 1952, as in Ouyang et al. 2022): settings
// under the names and defaults of TRL's RewardConfig.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"
#include "engine/config/kinds/score_rows.h"

namespace luthier {

ObjectiveKind reward_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"reward",
       "A reward model: a number for each answer, higher for the chosen one than for the rejected "
       "one.",
       later_fields_of({
           kind_optional_number("reward.center_rewards_coefficient", "Centring",
                                "How much it counts that the rewards of a pair add up to 0. Empty: "
                                "not at all.")
               .at_least(0)
               .at_most(1e6),
       }),
       {},
       {},
       check_score_head}};
  kind.row_kind = "preference";
  kind.learning_rate = 1e-4;
  return kind;
}

}  // namespace luthier
