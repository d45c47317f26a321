// SPDX-License-Identifier: GPL-3.0-or-later
// Nash learning from human feedback (Munos et al. 2023): settings under the names and defaults of
// TRL's NashMDConfig.
#include "engine/config/kinds/online_rows.h"
#include "engine/config/kinds/reference_rows.h"

namespace luthier {

namespace {

Status check_nash_md(const Recipe& recipe) { return rows::check_judged(recipe, "nash_md"); }

}  // namespace

ObjectiveKind nash_md_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"nash_md",
       "Nash learning: an answer of the model's is reinforced by how probably it beats one of a "
       "mixture "
       "with the reference.",
       later_fields_of({
           ref_model(),
           reference_beta("nash_md.beta"),
           kind_number("nash_md.mixture_coef", "Share of the reference",
                       "How much of the reference is in the mixture that the other answer is drawn "
                       "from: 0 none, 1 the reference alone.",
                       0.5)
               .at_least(0)
               .at_most(1),
           missing_eos_penalty("nash_md.missing_eos_penalty"),
           max_new_tokens("nash_md.max_new_tokens"),
           reward_model("nash_md.reward_model"),
           judged_rollouts("nash_md.rollouts"),
       }),
       {},
       {},
       check_nash_md}};
  kind.row_kind = "prompts";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
