// SPDX-License-Identifier: GPL-3.0-or-later
// Exploratory preference optimization (Xie et al. 2024): settings under the names and defaults of
// TRL's XPOConfig.
#include "engine/config/kinds/online_rows.h"
#include "engine/config/kinds/reference_rows.h"

namespace luthier {

namespace {

Status check_xpo(const Recipe& recipe) { return rows::check_judged(recipe, "xpo"); }

}  // namespace

ObjectiveKind xpo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"xpo",
       "Exploratory preference optimization: an answer of the model's against one of the "
       "reference's, "
       "which is made less likely besides.",
       later_fields_of({
           ref_model(),
           pair_rule("xpo.loss_type"),
           reference_beta("xpo.beta"),
           kind_number(
               "xpo.alpha", "Weight of exploring",
               "How much less likely the reference's answers are made beside the comparison.", 1e-5)
               .at_least(0),
           missing_eos_penalty("xpo.missing_eos_penalty"),
           max_new_tokens("xpo.max_new_tokens"),
           reward_model("xpo.reward_model"),
           judged_rollouts("xpo.rollouts"),
       }),
       {},
       {},
       check_xpo}};
  kind.row_kind = "prompts";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
