// SPDX-License-Identifier: GPL-3.0-or-later
// On-policy distillation, equal to TRL 1.16's DistillationTrainer: the model's own answers to a
// generation of prompts, drawn or given, and how far its distributions over them are from a
// teacher's, both over the temperature.
#include "engine/objectives/completions.h"
#include "engine/objectives/drawn_answers.h"
#include "engine/objectives/given_samples.h"
#include "engine/objectives/teacher_objective.h"

namespace luthier {

namespace {

class Distillation : public TeacherObjective, public TakesGivenSamples {
 public:
  explicit Distillation(const Recipe& recipe)
      : TeacherObjective(recipe, "distillation", recipe.more.number("distillation.temperature"),
                         /*tells_entropy=*/true),
        given_(!recipe.more.text("distillation.rollouts").empty()) {
    plan_.samples = 1;
    plan_.batches = recipe.training.gradient_accumulation_steps;
    plan_.given = given_;
    draws_.temperature = recipe.more.number("distillation.temperature");
    draws_.max_new_tokens = plan_.longest =
        recipe.more.integer("distillation.max_completion_length");
  }

  const RowKind& row_kind() const override { return given_ ? rollout_rows() : prompt_rows(); }
  GenerationPlan generations() const override { return plan_; }

  Status check_given(const LoadedModel& base, const EncodedRow& row,
                     const EncodedRow& /*first*/) const override {
    return check_completions(base, row);
  }

  Status prepare(Policy& policy, Generation& generation) override {
    if (generation.rows.empty()) return {};
    if (generation.rows.encoded.front().samples.empty() && !given_) {
      GenerationOptions options = draws_;
      options.seed = generation.seed;
      LUTHIER_CHECK(draw_samples(policy.base(), generation, plan_.samples, options));
    }
    LUTHIER_CHECK(check_completions(policy.base(), generation));
    tell_completions(policy.base(), generation);
    return {};
  }

 private:
  const bool given_;
  GenerationPlan plan_;
  GenerationOptions draws_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_distillation(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Distillation>(recipe));
}

}  // namespace luthier
