// SPDX-License-Identifier: GPL-3.0-or-later
// Formulas by the papers' names: hinge (SLiC, Zhao et al. 2023), ipo (Azar et al. 2023), exo_pair
// (Ji et al. 2024), nca_pair (Chen et al. 2024), robust (Chowdhury et al. 2024), bco_pair (Jung et
// al. 2024), sppo_hard (Wu et al. 2024), aot (Melnyk et al. 2024), apo (D'Oosterlinck et al. 2024),
// discopop (Lu et al. 2024).
#include "engine/objectives/dpo_losses.h"

#include <algorithm>
#include <cmath>

namespace luthier::dpo {

namespace {

using torch::Tensor;

Tensor sigmoid_loss(const Terms& t) { return -log_sigmoid(t.beta * t.margin()); }

Tensor hinge(const Terms& t) { return at::relu(1 - t.beta * t.margin()); }

Tensor ipo(const Terms& t) { return (t.margin_a_token() - 1 / (2 * t.beta)).pow(2); }

Tensor exo_pair(const Terms& t) {
  const Tensor logits = t.beta * t.margin();
  return at::sigmoid(logits) * (log_sigmoid(logits) - std::log1p(-t.smoothing)) +
         at::sigmoid(-logits) * (log_sigmoid(-logits) - std::log(t.smoothing));
}

Tensor nca_pair(const Terms& t) {
  const Tensor chosen = t.beta * t.chosen_ratio, rejected = t.beta * t.rejected_ratio;
  return -log_sigmoid(chosen) - 0.5 * log_sigmoid(-chosen) - 0.5 * log_sigmoid(-rejected);
}

Tensor robust(const Terms& t) {
  const Tensor logits = t.beta * t.margin();
  return (-(1 - t.smoothing) * log_sigmoid(logits) + t.smoothing * log_sigmoid(-logits)) /
         (1 - 2 * t.smoothing);
}

Tensor bco_pair(const Terms& t) {
  return -log_sigmoid(t.beta * t.chosen_ratio) - log_sigmoid(-(t.beta * t.rejected_ratio));
}

Tensor sppo_hard(const Terms& t) {
  return (t.chosen_ratio - 0.5 / t.beta).pow(2) + (t.rejected_ratio + 0.5 / t.beta).pow(2);
}

/// Of one distribution's quantiles against the other's.
Tensor sorted_apart(const Tensor& better, const Tensor& worse, const Terms& t) {
  const Tensor logits = t.beta * (std::get<0>(better.sort(0)) - std::get<0>(worse.sort(0)));
  return -log_sigmoid(logits) * (1 - t.smoothing) - log_sigmoid(-logits) * t.smoothing;
}

Tensor aot(const Terms& t) {
  return sorted_apart(t.chosen - t.rejected, t.reference_chosen - t.reference_rejected, t);
}

Tensor aot_unpaired(const Terms& t) { return sorted_apart(t.chosen_ratio, t.rejected_ratio, t); }

Tensor apo_zero(const Terms& t) {
  return 1 - at::sigmoid(t.beta * t.chosen_ratio) + at::sigmoid(t.beta * t.rejected_ratio);
}

Tensor apo_down(const Terms& t) {
  return at::sigmoid(t.beta * t.chosen_ratio) + 1 -
         at::sigmoid(t.beta * (t.chosen_ratio - t.rejected_ratio));
}

Tensor discopop(const Terms& t) {
  const Tensor logits = t.beta * t.margin();
  const Tensor blend = at::sigmoid(logits / t.tau);
  return -log_sigmoid(logits) * (1 - blend) + at::exp(-logits) * blend;
}

Tensor chosen_alone(const Terms& t) { return t.chosen_nll; }

Tensor sigmoid_norm(const Terms& t) { return -log_sigmoid(t.beta * t.margin_a_token()); }

}  // namespace

Tensor Terms::margin_a_token() const {
  return chosen_score / chosen_tokens.clamp_min(1) - rejected_score / rejected_tokens.clamp_min(1);
}

Tensor divergence_score(const Tensor& ratio, const std::string& type, double alpha) {
  if (type == "forward_kl") return 1 - at::exp(-ratio);
  if (type == "js_divergence") return std::log(2.0) + at::log_sigmoid(ratio);
  constexpr double kSameAsReverse = 1e-6, kLargestExponent = 80;
  if (type != "alpha_divergence" || std::abs(alpha - 1) < kSameAsReverse) return ratio;
  const Tensor exponent = ((alpha - 1) * ratio).clamp_max(kLargestExponent);
  return (at::exp(exponent) - 1) * (1 / (alpha - 1));
}

const std::vector<NamedLoss>& losses() {
  static const std::vector<NamedLoss> table{
      {"sigmoid", sigmoid_loss},      {"hinge", hinge},         {"ipo", ipo},
      {"exo_pair", exo_pair},         {"nca_pair", nca_pair},   {"robust", robust},
      {"bco_pair", bco_pair},         {"sppo_hard", sppo_hard}, {"aot", aot},
      {"aot_unpaired", aot_unpaired}, {"apo_zero", apo_zero},   {"apo_down", apo_down},
      {"discopop", discopop},         {"sft", chosen_alone},    {"sigmoid_norm", sigmoid_norm}};
  return table;
}

PairLoss find_loss(const std::string& name) {
  for (const NamedLoss& each : losses())
    if (name == each.name) return each.loss;
  return nullptr;
}

}  // namespace luthier::dpo
