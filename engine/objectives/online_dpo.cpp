// SPDX-License-Identifier: GPL-3.0-or-later
// Online DPO (Guo et al. 2024), the loss of TRL 1.16's OnlineDPOTrainer: of the model's two answers
// to a prompt the one that is worth more against the other. Its figures leave out what TRL counts
// of padding.
#include "engine/objectives/online.h"
#include "engine/objectives/preference_losses.h"

namespace luthier {

namespace {

using torch::Tensor;

class OnlineDpo : public Online {
 public:
  explicit OnlineDpo(const Recipe& recipe)
      : Online(recipe, "online_dpo", /*both=*/true),
        ipo_(recipe.more.text("online_dpo.loss_type") == "ipo") {}

  LossSum loss(Policy& policy, const Batch& batch) override {
    const JudgedAnswers pairs = judged(policy, batch);
    const ChosenAnswers which = chosen_answers(pairs.scores);
    const Tensor ratios = pairs.ratios(), good = which.chosen(ratios), bad = which.rejected(ratios);
    LossSum result;
    result.sum = pair_loss(good - bad, beta(), ipo_).sum();
    result.count = ratios.size(0);
    const torch::NoGradGuard no_grad;
    result.figures = preference::pair_figures(beta() * good, beta() * bad, which.chosen(pairs.sums),
                                              which.rejected(pairs.sums));
    const Tensor distance = -beta() * ratios;
    result.figures["objective/kl"] = ratios.mean();
    result.figures["objective/entropy"] = -pairs.sums.mean();
    result.figures["objective/non_score_reward"] = distance.mean();
    result.figures["objective/rlhf_reward"] = (pairs.scores + distance).mean();
    result.figures["objective/scores"] = pairs.scores.mean();
    result.figures["objective/scores_margin"] =
        (which.chosen(pairs.scores) - which.rejected(pairs.scores)).mean();
    result.figures["val/contain_eos_token"] = pairs.ended.mean();
    return result;
  }

 private:
  std::vector<Drawer> drawers(Policy& policy) const override {
    return {drawn_by(policy.base(), 2)};
  }

  const bool ipo_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_online_dpo(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<OnlineDpo>(recipe));
}

}  // namespace luthier
