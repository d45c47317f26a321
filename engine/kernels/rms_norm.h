// SPDX-License-Identifier: GPL-3.0-or-later
// RMSNorm with the residual's sum before it, forward and backward, a launch each. To the last
// rounding what nn/rms_norm.cpp computes with ATen, but that a row's sum is added up in another
// order. Nothing is returned where no kernel runs.
#pragma once

#include <optional>

#include "engine/device/torch.h"

namespace luthier::kernels {

struct NormedRows {
  torch::Tensor sum;    ///< x + added; undefined where nothing was
  torch::Tensor y;      ///< [..., size], of x's type
  torch::Tensor scale;  ///< [..., 1] float32
};
/// x [..., size], `added` the same or undefined, weight [size], all of one type.
std::optional<NormedRows> rms_norm(const torch::Tensor& x, const torch::Tensor& added,
                                   const torch::Tensor& weight, double epsilon, bool centred);

/// The gradient of x (what was normed), plus `passed` where that is defined.
std::optional<torch::Tensor> rms_norm_backward(const torch::Tensor& gradient,
                                               const torch::Tensor& x, const torch::Tensor& weight,
                                               const torch::Tensor& scale,
                                               const torch::Tensor& passed, bool centred);
/// The weight's gradient, of its type: shares of the rows first, then those, in one fixed order.
std::optional<torch::Tensor> rms_norm_weight_gradient(const torch::Tensor& gradient,
                                                      const torch::Tensor& x,
                                                      const torch::Tensor& weight,
                                                      const torch::Tensor& scale);

}  // namespace luthier::kernels
