// SPDX-License-Identifier: GPL-3.0-or-later
// On-policy distillation: settings under the names and defaults of TRL's DistillationConfig.
#include "engine/config/kinds.h"
#include "engine/config/kinds/sampled_rows.h"
#include "engine/config/kinds/teacher_rows.h"

namespace luthier {

namespace {

Status check_distillation(const Recipe& recipe) {
  return rows::check_teacher(recipe, "distillation",
                             !recipe.more.text("distillation.rollouts").empty(),
                             "distillation.rollouts");
}

}  // namespace

ObjectiveKind distillation_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"distillation",
       "On-policy distillation: the model answers each prompt itself and learns a teacher's "
       "distributions over its answers.",
       later_fields_of({
           teacher_model("distillation.teacher_model_name_or_path"),
           teacher_beta("distillation.beta", 1),
           sampling_temperature("distillation.temperature"),
           max_completion_length("distillation.max_completion_length"),
           rollouts("distillation.rollouts"),
           teacher_top_k("distillation.teacher_top_k"),
           teacher_logits("distillation.teacher_logits"),
       }),
       {},
       {},
       check_distillation}};
  kind.row_kind = "prompts";
  kind.learning_rate = 1e-6;
  return kind;
}

}  // namespace luthier
