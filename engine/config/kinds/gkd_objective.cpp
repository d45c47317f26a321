// SPDX-License-Identifier: GPL-3.0-or-later
// Generalised knowledge distillation (Agarwal et al. 2023): settings under the names and defaults
// of TRL's GKDConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/teacher_rows.h"

namespace luthier {

namespace {

Status check_gkd(const Recipe& recipe) {
  return rows::check_teacher(
      recipe, "gkd", recipe.more.number("gkd.lmbda") == 0 && !recipe.more.flag("gkd.seq_kd"),
      "gkd.lmbda: 0 and gkd.seq_kd: false");
}

}  // namespace

ObjectiveKind gkd_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"gkd",
       "Generalised knowledge distillation: the model learns a teacher's distributions over "
       "answers of the rows and over answers of its own.",
       later_fields_of({
           teacher_model("gkd.teacher_model_name_or_path"),
           teacher_beta("gkd.beta", 0.5),
           kind_number("gkd.lmbda", "Share of own answers",
                       "How often a micro-batch is learned from answers that the model draws "
                       "itself, not from those of the rows.",
                       0.5)
               .at_least(0)
               .at_most(1),
           kind_boolean("gkd.seq_kd", "Answers of the teacher",
                        "Where the model does not draw answers itself, the teacher does.", false),
           kind_number("gkd.temperature", "Temperature",
                       "Of the draws; the loss is of the distributions as they are.", 0.9)
               .above(0)
               .advanced(),
           kind_integer("gkd.max_new_tokens", "Longest drawn answer",
                        "Tokens of an answer that is drawn, at most.", 128)
               .at_least(1),
           teacher_top_k("gkd.teacher_top_k"),
           teacher_logits("gkd.teacher_logits"),
       }),
       {},
       {},
       check_gkd}};
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
