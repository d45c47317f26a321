// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/preference_losses.h"

#include <cmath>

namespace luthier::preference {

namespace {

using torch::Tensor;

/// log(1 − e^x) of x < 0, by whichever of two forms loses no digits (Mächler 2012). Each form is
/// kept to its own side, so that neither spoils the other's gradient.
Tensor log1mexp(const Tensor& x) {
  const double border = -std::log(2.0);
  return at::where(x < border, at::log1p(-at::exp(x.clamp_max(border))),
                   at::log(-at::expm1(x.clamp_min(border))));
}

/// The mean of those that are so; undefined: there is none.
Tensor mean_where(const Tensor& values, const std::vector<bool>& good, bool wanted) {
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < good.size(); ++i)
    if (good[i] == wanted) places.push_back(static_cast<std::int64_t>(i));
  if (places.empty()) return {};
  return values.index_select(0, torch::tensor(places, torch::kInt64).to(values.device())).mean();
}

}  // namespace

Tensor log_odds(const Tensor& chosen, const Tensor& rejected) {
  return (chosen - rejected) - (log1mexp(chosen) - log1mexp(rejected));
}

Tensor alpha_reward(const Tensor& log_probs, double alpha) {
  return alpha == 0 ? log_probs : (1 - at::exp(log_probs).pow(-alpha)) / alpha;
}

Tensor cpo_loss(const Tensor& chosen, const Tensor& rejected, const CpoSettings& settings) {
  const double beta = settings.beta;
  const Tensor logits = chosen - rejected;
  if (settings.loss_type == "hinge") return at::relu(1 - beta * logits);
  if (settings.loss_type == "ipo") return (logits - 1 / (2 * beta)).pow(2);
  const double margin = settings.loss_type == "simpo" ? settings.gamma / beta : 0;
  const Tensor led = beta * (logits - margin);
  return -at::log_sigmoid(led) * (1 - settings.smoothing) -
         at::log_sigmoid(-led) * settings.smoothing;
}

Tensor kto_loss(const Tensor& ratios, const Tensor& signs, const Tensor& kl, double beta) {
  return 1 - at::sigmoid(beta * signs * (ratios - kl));
}

Tensor bco_loss(const Tensor& rewards, const Tensor& signs, double delta) {
  return -at::log_sigmoid(signs * (rewards - delta));
}

Tensor reward_loss(const Tensor& chosen, const Tensor& rejected, const Tensor& margins,
                   std::optional<double> centre) {
  const Tensor loss = -at::log_sigmoid(chosen - rejected - margins);
  return centre ? loss + *centre * (chosen + rejected).pow(2) : loss;
}

Figures pair_figures(const Tensor& chosen_rewards, const Tensor& rejected_rewards,
                     const Tensor& chosen, const Tensor& rejected) {
  const torch::NoGradGuard no_grad;
  return {{"rewards/chosen", chosen_rewards.mean()},
          {"rewards/rejected", rejected_rewards.mean()},
          {"rewards/accuracies", (chosen_rewards > rejected_rewards).to(torch::kFloat32).mean()},
          {"rewards/margins", (chosen_rewards - rejected_rewards).mean()},
          {"logps/chosen", chosen.mean()},
          {"logps/rejected", rejected.mean()}};
}

Figures single_figures(const Tensor& rewards, const Tensor& log_probs,
                       const std::vector<bool>& good) {
  const torch::NoGradGuard no_grad;
  Figures figures;
  for (const bool wanted : {true, false}) {
    const Tensor reward = mean_where(rewards, good, wanted);
    if (!reward.defined()) continue;
    const std::string which = wanted ? "chosen" : "rejected";
    figures["rewards/" + which] = reward;
    figures["logps/" + which] = mean_where(log_probs, good, wanted);
  }
  if (figures.contains("rewards/chosen") && figures.contains("rewards/rejected"))
    figures["rewards/margins"] = figures["rewards/chosen"] - figures["rewards/rejected"];
  return figures;
}

}  // namespace luthier::preference
