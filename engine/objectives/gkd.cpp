// SPDX-License-Identifier: GPL-3.0-or-later
// Generalised knowledge distillation (Agarwal et al. 2023), equal to TRL 1.16's GKDTrainer, which
// takes no pictures: its loss is of the distributions as they are, its temperature of the draws. A
// micro-batch's place decides who answers it. TRL divides a window with drawn answers by the tokens
// of the answers that the rows came with; here those count that are learned.
#include "engine/base/random_stream.h"
#include "engine/objectives/drawn_answers.h"
#include "engine/objectives/teacher_objective.h"

namespace luthier {

namespace {

class Gkd : public TeacherObjective {
 public:
  explicit Gkd(const Recipe& recipe)
      : TeacherObjective(recipe, "gkd", /*temperature=*/1, /*tells_entropy=*/false),
        own_share_(recipe.more.number("gkd.lmbda")),
        teacher_answers_(recipe.more.flag("gkd.seq_kd")) {
    draws_.temperature = recipe.more.number("gkd.temperature");
    draws_.max_new_tokens = recipe.more.integer("gkd.max_new_tokens");
  }

  const RowKind& row_kind() const override { return answer_rows(); }
  bool dropout() const override { return false; }

  bool rolls_out() const override { return !as_written_ && (own_share_ > 0 || teacher_answers_); }
  bool rolls_out_pictures() const override { return rolls_out(); }
  void take_rows_as_written() override { as_written_ = true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    // An evaluation is of the answers that the rows came with.
    if (!torch::GradMode::is_enabled()) return {};
    RandomStream place(seed, 0);
    const bool own = place.chance(own_share_);
    GenerationOptions options = draws_;
    options.seed = place.next();
    if (own) return draw_answers(policy.base(), rows, options);
    if (!teacher_answers_) return {};
    return policy.as_reference(
        [&](const LoadedModel& teacher) { return draw_answers(teacher, rows, options); });
  }
  RowLengths lengths_used(const std::vector<std::int64_t>& lengths,
                          std::int64_t labels) const override {
    if (!rolls_out()) return {lengths, {}};
    return lengths_when_drawn(lengths, labels, draws_.max_new_tokens,
                              /*always=*/own_share_ >= 1 || teacher_answers_);
  }

 private:
  const double own_share_;
  const bool teacher_answers_;
  GenerationOptions draws_;
  bool as_written_ = false;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_gkd(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Gkd>(recipe));
}

}  // namespace luthier
