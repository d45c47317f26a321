// SPDX-License-Identifier: GPL-3.0-or-later
// Online DPO (Guo et al. 2024): settings under the names and defaults of TRL's OnlineDPOConfig.
#include "engine/config/kinds/online_rows.h"
#include "engine/config/kinds/reference_rows.h"

namespace luthier {

namespace {

Status check_online_dpo(const Recipe& recipe) { return rows::check_judged(recipe, "online_dpo"); }

}  // namespace

ObjectiveKind online_dpo_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"online_dpo",
       "Online preference optimization: of two answers of the model's own the better one against "
       "the "
       "other.",
       later_fields_of({
           ref_model(),
           pair_rule("online_dpo.loss_type"),
           reference_beta("online_dpo.beta"),
           missing_eos_penalty("online_dpo.missing_eos_penalty"),
           max_new_tokens("online_dpo.max_new_tokens"),
           reward_model("online_dpo.reward_model"),
           judged_rollouts("online_dpo.rollouts"),
       }),
       {},
       {},
       check_online_dpo}};
  kind.row_kind = "prompts";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
