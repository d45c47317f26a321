// SPDX-License-Identifier: GPL-3.0-or-later
// Nash learning (Munos et al. 2023), the loss of TRL 1.9's NashMDTrainer, the last one: the model's
// answer is reinforced by how probably it beats that of a mixture with the reference, and held to
// the reference token by token. The mixture's answer is compared with and not learned from.
#include "engine/generate/mixed_answers.h"
#include "engine/objectives/online.h"

namespace luthier {

namespace {

using torch::Tensor;

class NashMd : public Online {
 public:
  explicit NashMd(const Recipe& recipe)
      : Online(recipe, "nash_md", /*both=*/false),
        share_(recipe.more.number("nash_md.mixture_coef")) {
    set_drawing(/*together=*/1, /*caches=*/2);
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const JudgedAnswers answers = judged(policy, batch);
    const Tensor &own = answers.now.values.log_probs, sums = answers.sums.select(1, 0);
    const Tensor wins = at::sigmoid(answers.scores.select(1, 0) - answers.scores.select(1, 1));
    const Tensor ratios = own.detach() - answers.before;  // [labels]
    const Tensor score = (wins - 0.5) * sums;
    LossSum result;
    result.sum = beta() * (ratios * own).sum() - score.sum();
    result.count = sums.size(0);
    const torch::NoGradGuard no_grad;
    const Tensor before = answers.before_sums.select(1, 0);
    result.figures = {{"loss/score", score.mean()},
                      {"loss/kl", answers.now.summed(ratios).mean()},
                      {"logps/chosen", sums.mean()},
                      {"logps/rejected", before.mean()},
                      {"rewards/chosen", answers.scores.select(1, 0).mean()},
                      {"rewards/rejected", answers.scores.select(1, 1).mean()},
                      {"rewards/probabilities", wins.mean()},
                      {"rewards/margins", (sums - before).mean()},
                      {"rewards/accuracies", (sums > before).to(torch::kFloat32).mean()},
                      {"objective/entropy", -sums.mean()},
                      {"val/model_contain_eos_token", answers.ended.select(1, 0).mean()},
                      {"val/ref_contain_eos_token", answers.ended.select(1, 1).mean()}};
    for (auto& [name, figure] : result.figures) figure = figure.detach();
    return result;
  }

 private:
  std::vector<Drawer> drawers(Policy& policy) const override {
    const MixedWith other{[&policy](const std::function<Status(const LoadedModel&)>& work) {
                            return policy.as_reference(work);
                          },
                          share_, policy.shares_tower()};
    return {drawn_by(policy.base(), 1),
            {1, [&policy, other](const std::vector<Example>& prompts,
                                 const GenerationOptions& options, const GenerationProgress& go_on,
                                 std::span<const std::uint64_t> draws) {
               return generate_mixed(policy.base(), other, prompts, options, go_on, draws);
             }}};
  }

  const double share_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_nash_md(const Recipe& recipe) {
  return std::unique_ptr<Objective>(std::make_unique<NashMd>(recipe));
}

}  // namespace luthier
