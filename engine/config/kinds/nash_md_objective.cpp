// SPDX-License-Identifier: GPL-3.0-or-later
// Nash learning from human feedback (Munos et al. 2023): settings under the names and defaults of
// TRL's NashMDConfig, as far as answers are given.
#include "engine/config/kinds/online_rows.h"
#include "engine/config/kinds/reference_rows.h"

namespace luthier {

namespace {

Status check_nash_md(const Recipe& recipe) {
  return rows::check_judged(recipe, "nash_md.rollouts");
}

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
           missing_eos_penalty("nash_md.missing_eos_penalty"),
           judged_rollouts("nash_md.rollouts"),
       }),
       {},
       {},
       check_nash_md}};
  kind.row_kind = "rollouts";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
