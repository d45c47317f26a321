// SPDX-License-Identifier: GPL-3.0-or-later
// The forward and the backward of gated() (nn/layers.h) by themselves, outside autograd: for a
// function of autograd that has a gate inside.
#pragma once

#include <utility>

#include "engine/device/torch.h"
#include "engine/kernels/source/shared.h"

namespace luthier {

/// activate(gate) · up.
torch::Tensor gate_product(const torch::Tensor& gate, const torch::Tensor& up,
                           Activation activation);
/// The gradients of both, where they are asked for.
std::pair<torch::Tensor, torch::Tensor> gate_gradients(const torch::Tensor& gradient,
                                                       const torch::Tensor& gate,
                                                       const torch::Tensor& up,
                                                       Activation activation, bool of_gate,
                                                       bool of_up);

}  // namespace luthier
