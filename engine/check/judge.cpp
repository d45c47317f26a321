// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/check/judge.h"

#include <cmath>
#include <limits>

namespace luthier {

namespace {

double norm_of(const torch::Tensor& tensor) {
  return tensor.to(torch::kFloat64).norm().item<double>();
}

double distance_of(const torch::Tensor& a, const torch::Tensor& b) {
  return norm_of(a.to(torch::kFloat64) - b.to(torch::kFloat64));
}

/// A number that is not finite uses up everything.
double share_or_all(double distance, double allowed) {
  const double share = distance / std::max(allowed, std::numeric_limits<double>::min());
  return std::isfinite(share) ? share : std::numeric_limits<double>::infinity();
}

}  // namespace

Farthest farthest(const NamedGradients& found, const NamedGradients& same,
                  const NamedGradients& truth, torch::ScalarType type) {
  constexpr double kAll = std::numeric_limits<double>::infinity();
  Farthest most;
  if (found.size() != truth.size()) return {"their number", kAll};
  double squares = 0, numbers = 0, cost = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    squares += std::pow(norm_of(truth[i].second), 2);
    numbers += static_cast<double>(truth[i].second.numel());
    if (type == torch::kBFloat16) cost += std::pow(distance_of(same[i].second, truth[i].second), 2);
  }
  const double common = std::sqrt(squares / std::max(numbers, 1.0)),
               relative = std::max(std::sqrt(cost / std::max(squares, 1e-300)), kBfloat16Bit);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const auto& [name, wanted] = truth[i];
    if (found[i].first != name || found[i].second.sizes() != wanted.sizes()) return {name, kAll};
    const double size = norm_of(wanted) + common * std::sqrt(static_cast<double>(wanted.numel()));
    const double allowed =
        type == torch::kBFloat16
            ? kAllowedTimes * std::max(distance_of(same[i].second, wanted), relative * size)
            : kAllowedFloat32 * size;
    const double share = share_or_all(distance_of(found[i].second, wanted), allowed);
    if (share >= most.share) most = {name, share};
  }
  return most;
}

double share_of_allowed(double found, double same, double truth, torch::ScalarType type) {
  const double allowed =
      type == torch::kBFloat16
          ? kAllowedTimes * std::max(std::abs(same - truth), kBfloat16Bit * std::abs(truth))
          : kAllowedFloat32 * std::abs(truth);
  return share_or_all(std::abs(found - truth), allowed);
}

}  // namespace luthier
