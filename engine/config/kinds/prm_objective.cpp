// SPDX-License-Identifier: GPL-3.0-or-later
// A process reward model (Lightman et al. 2023; Uesato et al. 2022): settings under the names and
// defaults of TRL 1.9's PRMConfig, after which TRL let go of it.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"
#include "engine/config/kinds/score_rows.h"

namespace luthier {

namespace {

Status check_prm(const Recipe& recipe) {
  LUTHIER_CHECK(check_score_head(recipe));
  if (!recipe.more.text("prm.step_separator").empty()) return {};
  return cross_fault("prm.step_separator", "is empty, and a step's label stands on it.",
                     "Write what stands behind each step, \"\\n\" say.");
}

}  // namespace

ObjectiveKind prm_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"prm",
       "A process reward model: for each step of an answer whether it is right.",
       later_fields_of({
           kind_text("prm.step_separator", "Separator of steps",
                     "What is written behind each step; its last token carries the step's label.",
                     "\n"),
           kind_boolean("prm.train_on_last_step_only", "Last step alone",
                        "Only the last step of an answer is learned from; an evaluation counts all "
                        "of them.",
                        false),
       }),
       {},
       {},
       check_prm}};
  kind.row_kind = "stepwise";
  kind.learning_rate = 1e-5;
  return kind;
}

}  // namespace luthier
