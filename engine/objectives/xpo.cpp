// SPDX-License-Identifier: GPL-3.0-or-later
// Exploratory preference optimization (Xie et al. 2024), the loss of TRL 1.9's XPOTrainer, the last
// one: the model's answer and the reference's as a pair, and beside it how likely the model finds
// the reference's.
#include "engine/objectives/online.h"
#include "engine/objectives/preference_losses.h"

namespace luthier {

namespace {

using torch::Tensor;

class Xpo : public Online {
 public:
  explicit Xpo(const Recipe& recipe)
      : Online(recipe, "xpo", /*both=*/true),
        ipo_(recipe.more.text("xpo.loss_type") == "ipo"),
        alpha_(recipe.more.number("xpo.alpha")) {
    set_drawing(/*together=*/1, /*caches=*/1);
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const JudgedAnswers pairs = judged(policy, batch);
    const ChosenAnswers which = chosen_answers(pairs.scores);
    const Tensor ratios = pairs.ratios(), good = which.chosen(ratios), bad = which.rejected(ratios);
    const Tensor compared = pair_loss(good - bad, beta(), ipo_),
                 explored = alpha_ * pairs.sums.select(1, 1);
    LossSum result;
    result.sum = (compared + explored).sum();
    result.count = ratios.size(0);
    const torch::NoGradGuard no_grad;
    // TRL's logps are of both models together.
    const Tensor together = pairs.sums + pairs.before_sums;
    result.figures = preference::pair_figures(beta() * good, beta() * bad, which.chosen(together),
                                              which.rejected(together));
    result.figures["loss/dpo"] = compared.mean();
    result.figures["loss/xpo"] = explored.mean();
    result.figures["objective/model_scores"] = pairs.scores.select(1, 0).mean();
    result.figures["objective/ref_scores"] = pairs.scores.select(1, 1).mean();
    result.figures["objective/scores_margin"] =
        (pairs.scores.select(1, 0) - pairs.scores.select(1, 1)).mean();
    result.figures["objective/kl"] = ratios.mean();
    result.figures["objective/entropy"] = -pairs.sums.mean();
    result.figures["val/model_contain_eos_token"] = pairs.ended.select(1, 0).mean();
    result.figures["val/ref_contain_eos_token"] = pairs.ended.select(1, 1).mean();
    return result;
  }

 private:
  std::vector<Drawer> drawers(Policy& policy) const override {
    return {drawn_by(policy.base(), 1), drawn_by_reference(policy)};
  }

  const bool ipo_;
  const double alpha_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_xpo(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<Xpo>(recipe));
}

}  // namespace luthier
