// SPDX-License-Identifier: GPL-3.0-or-later
// activation(gate) · up and its gradients, a launch each. Nothing is returned where no kernel runs.
#pragma once

#include <optional>

#include "engine/device/torch.h"
#include "engine/kernels/source/shared.h"

namespace luthier::kernels {

/// gate and up [..., size] of one shape and type; their rows may lie apart, as in a joined product.
std::optional<torch::Tensor> gated(const torch::Tensor& gate, const torch::Tensor& up,
                                   Activation activation);

struct GatedGradients {
  torch::Tensor gate, up;  ///< undefined where they are not wanted; neighbours where those are
};
std::optional<GatedGradients> gated_backward(const torch::Tensor& gradient,
                                             const torch::Tensor& gate, const torch::Tensor& up,
                                             Activation activation, bool wants_gate, bool wants_up);

}  // namespace luthier::kernels
