// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/information_gain.h"

#include <queue>

namespace luthier {

namespace {

/// A gain that was found when so many were chosen: a bound of today's. `worth`: a unit of cost.
struct GainBound {
  double worth = 0, gain = 0;
  std::size_t example = 0, when = 0;
  /// The queue's top is the largest gain, of equal ones the first example.
  bool operator<(const GainBound& other) const {
    return worth != other.worth ? worth < other.worth : example > other.example;
  }
};

/// L of I + X V⁻¹ Xᵀ = L Lᵀ: [tokens, tokens].
torch::Tensor factor_of(const torch::Tensor& x, const torch::Tensor& reached) {
  const torch::Tensor inner = torch::matmul(reached, x.t());
  return at::linalg_cholesky((inner + inner.t()) / 2 + torch::eye(x.size(0), x.options()));
}

double gain_of(const torch::Tensor& factor) {
  return 2 * factor.diagonal().log().sum().item<double>();
}

}  // namespace

torch::Tensor as_few_rows(const torch::Tensor& states) {
  if (states.size(0) <= states.size(1)) return states;
  return std::get<1>(at::linalg_qr(states.to(torch::kFloat64), "r")).to(torch::kFloat32);
}

Result<ChosenExamples> choose_examples(const InformationSource& source, std::size_t count,
                                       double prior) {
  const torch::NoGradGuard no_grad;
  ChosenExamples result;
  torch::Tensor inverse = torch::eye(source.width, torch::kFloat64) / prior;  // of V
  std::priority_queue<GainBound> bounds;
  const auto states_of = [&](std::size_t example) -> Result<torch::Tensor> {
    LUTHIER_TRY(torch::Tensor states, source.states(example));
    return as_few_rows(states).to(torch::kFloat64);
  };
  const auto bound = [&](double gain, std::size_t example, std::size_t when) {
    return GainBound{source.costs.empty() ? gain : gain / source.costs[example], gain, example,
                     when};
  };
  for (std::size_t i = 0; i < source.examples; ++i) {
    if (source.progress && !source.progress(0, count)) return interrupted_error();
    LUTHIER_TRY(const torch::Tensor x, states_of(i));
    ++result.looked_at;
    bounds.push(bound(x.size(0) == 0 ? 0 : gain_of(factor_of(x, x / prior)), i, 0));
  }
  while (result.chosen.size() < count && !bounds.empty()) {
    const GainBound top = bounds.top();
    bounds.pop();
    const std::size_t now = result.chosen.size();
    if (top.when != now) {
      if (source.progress && !source.progress(now, count)) return interrupted_error();
      LUTHIER_TRY(const torch::Tensor x, states_of(top.example));
      ++result.looked_at;
      const double gain = x.size(0) == 0 ? 0 : gain_of(factor_of(x, torch::matmul(x, inverse)));
      bounds.push(bound(gain, top.example, now));
      continue;
    }
    result.chosen.push_back({top.example, top.gain});
    LUTHIER_TRY(const torch::Tensor x, states_of(top.example));
    if (x.size(0) == 0) continue;
    // (V + Xᵀ X)⁻¹ = V⁻¹ − V⁻¹ Xᵀ (I + X V⁻¹ Xᵀ)⁻¹ X V⁻¹
    const torch::Tensor reached = torch::matmul(x, inverse);  // [tokens, width]
    const torch::Tensor half = at::linalg_solve_triangular(factor_of(x, reached), reached,
                                                           /*upper=*/false);
    inverse.sub_(torch::matmul(half.t(), half));
  }
  return result;
}

}  // namespace luthier
