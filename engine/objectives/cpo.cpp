// SPDX-License-Identifier: GPL-3.0-or-later
// Contrastive preference optimization (Xu et al. 2024), SimPO (Meng et al. 2024) and AlphaPO (Gupta
// et al. 2025), equal to the losses of TRL 1.16's CPOTrainer, which takes no pictures itself: the
// two answers of a pair against one another without a reference, and beside it the chosen answers'
// likelihood.
#include "engine/objectives/preference_losses.h"
#include "engine/objectives/preference_objective.h"

namespace luthier {

namespace {

using torch::Tensor;

class Cpo : public PreferenceObjective {
 public:
  /// `section`: of the recipe. `likelihood`: how much the chosen answers' counts.
  Cpo(preference::CpoSettings settings, double likelihood, const Recipe& recipe,
      const std::string& section)
      : PreferenceObjective(recipe, section),
        settings_(std::move(settings)),
        likelihood_(likelihood) {}

  const RowKind& row_kind() const override { return preference_rows(); }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const auto notes = routers().notes(policy.model(), batch);
    const LogProbs now = policy.log_probs(batch, /*temperature=*/1, notes);
    const std::vector<Tensor> both = answers(now).chunk(2);
    const Tensor &chosen = both[0], &rejected = both[1];
    const Tensor better = preference::alpha_reward(chosen, settings_.alpha),
                 worse = preference::alpha_reward(rejected, settings_.alpha);
    // TRL takes no likelihood at all where it would not count.
    const Tensor nll =
        likelihood_ == 0
            ? torch::zeros({}, chosen.options().requires_grad(false))
            : -now.values.log_probs.slice(0, 0, now.labels_of(now.counts.size() / 2)).mean();
    LossSum result;
    result.count = chosen.size(0);
    result.sum =
        preference::cpo_loss(better, worse, settings_).sum() + likelihood_ * nll * result.count;
    const torch::NoGradGuard no_grad;
    result.figures =
        preference::pair_figures(settings_.beta * better, settings_.beta * worse, chosen, rejected);
    result.figures["nll_loss"] = nll.detach();
    routers().join(result, policy.model(), notes);
    return result;
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const LogProbs now = policy.log_probs(batch);
    NamedTensors tensors = padded(now, batch);
    for (auto& [name, tensor] : tensors)
      if (name == "logps") tensor = answers(now).cpu();
    return tensors;
  }

 private:
  /// [2n]: log p of each answer, or the mean over its tokens.
  Tensor answers(const LogProbs& now) const {
    const Tensor sums = now.summed(now.values.log_probs);
    return settings_.by_mean() ? sums / now.lengths() : sums;
  }

  const preference::CpoSettings settings_;
  const double likelihood_;
};

std::unique_ptr<Objective> contrast(const Recipe& recipe, const std::string& section,
                                    std::string loss_type, double likelihood) {
  const KindValues& values = recipe.more;
  preference::CpoSettings settings;
  settings.loss_type = std::move(loss_type);
  settings.beta = values.number(section + ".beta");
  settings.smoothing = values.number(section + ".label_smoothing");
  settings.gamma = values.number(section + ".simpo_gamma");
  settings.alpha = values.number(section + ".alpha");
  return std::make_unique<Cpo>(std::move(settings), likelihood, recipe, section);
}

}  // namespace

Result<std::unique_ptr<Objective>> make_cpo(const Recipe& recipe) {
  return contrast(recipe, "cpo", recipe.more.text("cpo.loss_type"),
                  recipe.more.number("cpo.cpo_alpha"));
}

Result<std::unique_ptr<Objective>> make_simpo(const Recipe& recipe) {
  return contrast(recipe, "simpo", "simpo", /*likelihood=*/0);
}

}  // namespace luthier
