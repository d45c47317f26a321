// SPDX-License-Identifier: GPL-3.0-or-later
// The gradients of all that an adapter trains, held to the slopes of a number that the model makes.
#pragma once

#include <cmath>
#include <functional>

#include "tests/nn/central_differences.h"

#include "tests/methods/method_base.h"  // after LibTorch, as it has Qt's keywords

namespace luthier::test {

/// What the model makes of twelve tokens and a picture with what hangs on it, each number by a
/// weight that is drawn: twice the same. (Their squares say nothing: the last norm makes them one.)
inline std::function<torch::Tensor()> value_of(const LoadedModel& loaded) {
  return [model = loaded.model, input = collate({shown(loaded, 12)})] {
    const torch::Tensor states = model->decode(model->embed(input), nullptr);
    auto generator = at::make_generator<at::CPUGeneratorImpl>(31);
    const torch::Tensor weights =
        torch::empty(states.sizes(), torch::kFloat64).normal_(0, 1, generator);
    return (states.to(torch::kFloat64) * weights).sum() /
           std::sqrt(static_cast<double>(states.numel()));
  };
}

/// The first of the adapter's tensors whose gradient is no slope, in words; empty: all are, and
/// those without one change nothing. `looked`: how many have a gradient. Whoever `leave_out` names
/// is not asked. Each is moved along one half of its gradient's numbers and along the other, which
/// a draw parts: so a gradient that is too long, too short or of other numbers shows.
inline QString wrong_slope(const Adapter& adapter, const std::function<torch::Tensor()>& value,
                           int& looked,
                           const std::function<bool(const std::string& key)>& leave_out = {}) {
  constexpr double kLimit = 2e-2;     // of the slope
  constexpr double kRounding = 2e-6;  // of the value, which is about one and made in float32
  looked = 0;
  auto tensors = adapter.tensors();
  for (auto& [key, tensor] : tensors) tensor.set_requires_grad(true);
  value().backward();
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(17);
  for (auto& [key, tensor] : tensors) {
    if (leave_out && leave_out(key)) continue;
    if (!tensor.grad().defined()) {
      const torch::Tensor was = tensor.clone(), before = value();
      tensor.add_(1);
      const bool moves = !torch::equal(value(), before);
      tensor.copy_(was);
      if (moves) return QString("%1: has no gradient, and changes the value").arg(key.c_str());
      continue;
    }
    ++looked;
    const torch::Tensor half =
        torch::empty(tensor.sizes(), torch::kFloat32).bernoulli_(0.5, generator);
    for (const torch::Tensor& mask : {half, 1 - half}) {
      const torch::Tensor part = tensor.grad() * mask;
      const double wanted = part.norm().item<double>();
      // A gradient of zero: along any way nothing changes.
      const torch::Tensor way = wanted > 0 ? part / wanted : mask / (mask.norm() + 1e-9);
      const double far = 5e-3 * std::max(tensor.norm().item<double>(), 0.1);
      // What is cubic in the way goes out with half of it.
      const double slope = (4 * central_slope(value, tensor, way, far / 2) -
                            central_slope(value, tensor, way, far)) /
                           3;
      const double rounding = kRounding * (1 + std::abs(value().item<double>())) / far;
      if (std::abs(slope - wanted) <= kLimit * wanted + rounding) continue;
      return QString("%1: a slope of %2, a gradient of %3 (rounding %4)")
          .arg(key.c_str())
          .arg(slope)
          .arg(wanted)
          .arg(rounding);
    }
  }
  return {};
}

}  // namespace luthier::test
