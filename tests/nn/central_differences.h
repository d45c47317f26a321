// SPDX-License-Identifier: GPL-3.0-or-later
// A gradient held against central differences of the function itself: along random directions,
// because single elements would drown in float32's rounding.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "engine/device/torch.h"

#include <torch/csrc/autograd/autograd.h>

namespace luthier::test {

/// How `function` changes where `input`, which is then as before, goes `far` along `direction`, and
/// back, for each unit of the way.
inline double central_slope(const std::function<torch::Tensor()>& function, torch::Tensor input,
                            const torch::Tensor& direction, double far) {
  const torch::Tensor start = input.clone();
  input.copy_(start + far * direction);
  const double above = function().item<double>();
  input.copy_(start - far * direction);
  const double below = function().item<double>();
  input.copy_(start);
  return (above - below) / (2 * far);
}

/// How far autograd's slope of `function` (a scalar of what `inputs` hold) is off at worst, along
/// `directions` for each input, as a share of the slope's size. `step` is of an input's own size.
inline double slope_error(const std::vector<torch::Tensor>& inputs,
                          const std::function<torch::Tensor()>& function, int directions = 3,
                          double step = 1e-2) {
  for (torch::Tensor input : inputs) input.set_requires_grad(true);
  const auto gradients = torch::autograd::grad({function()}, inputs, {}, {}, false,
                                               /*allow_unused=*/true);
  const torch::NoGradGuard no_grad;
  double worst = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!gradients[i].defined()) continue;  // it took no part
    torch::Tensor input = inputs[i].detach();
    const double size = std::max(input.norm().item<double>(), 1e-2);
    for (int k = 0; k < directions; ++k) {
      // partly along the gradient, so that the slope is never small
      torch::Tensor direction = torch::randn_like(input);
      direction = direction / direction.norm() + gradients[i] / (gradients[i].norm() + 1e-30);
      direction = direction / direction.norm();
      const double got = (gradients[i].to(torch::kFloat64) * direction).sum().item<double>();
      const double wanted = central_slope(function, input, direction, step * size);
      worst = std::max(worst, std::abs(got - wanted) / std::max(std::abs(wanted), 1e-12));
    }
  }
  return worst;
}

}  // namespace luthier::test
