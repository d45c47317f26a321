// SPDX-License-Identifier: GPL-3.0-or-later
// The gradients of all that an adapter trains, held to the slopes of a number that the model makes.
#pragma once

#include <functional>

#include "tests/nn/central_differences.h"

#include "tests/methods/method_base.h"  // after LibTorch, as it has Qt's keywords

namespace luthier::test {

/// A sum of what the model makes of twelve tokens and a picture with what hangs on it, twice the
/// same. The states' squares would not do: behind the last norm their mean is nearly 1, whatever
/// hangs.
inline std::function<torch::Tensor()> value_of(const LoadedModel& loaded) {
  return [model = loaded.model, input = collate({shown(loaded, 12)})] {
    const torch::Tensor states =
        model->decode(model->embed(input), nullptr).to(torch::kFloat64);  // [tokens, hidden]
    const torch::Tensor weights = at::arange(states.numel(), torch::kFloat64).cos();
    return states.flatten().dot(weights) / 64;
  };
}

/// The first of the adapter's tensors whose gradient is no slope, in words; empty: all are, and
/// those without one change nothing. `looked`: how many have a gradient. Whoever `leave_out` names
/// is not asked.
inline QString wrong_slope(const Adapter& adapter, const std::function<torch::Tensor()>& value,
                           int& looked,
                           const std::function<bool(const std::string& key)>& leave_out = {}) {
  constexpr double kLimit = 1e-2;
  looked = 0;
  auto tensors = adapter.tensors();
  for (auto& [key, tensor] : tensors) tensor.set_requires_grad(true);
  value().backward();
  for (auto& [key, tensor] : tensors) {
    if (leave_out && leave_out(key)) continue;
    if (tensor.grad().defined()) {
      ++looked;
      const double error = slope_error({tensor}, value, 2);
      if (error > kLimit) return QString("%1: off by %2").arg(key.c_str()).arg(error);
      continue;
    }
    const torch::NoGradGuard no_grad;
    const torch::Tensor was = tensor.clone(), before = value();
    tensor.add_(1);
    const bool moves = !torch::equal(value(), before);
    tensor.copy_(was);
    if (moves) return QString("%1: has no gradient, and changes the value").arg(key.c_str());
  }
  return {};
}

}  // namespace luthier::test
