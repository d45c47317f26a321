// SPDX-License-Identifier: GPL-3.0-or-later
// RMSNorm's mathematics: with a graph for the modules, and without one for functions that hold it
// within them. Kernels of our own where a device runs them (engine/kernels), else ATen's operators.
#pragma once

#include <utility>

#include "engine/device/torch.h"

namespace luthier {

struct RmsRows {
  torch::Tensor y;      ///< like x
  torch::Tensor scale;  ///< [..., 1] float32: 1 / rms of each row
};
/// x [..., size], weight [size]; see RmsNormImpl. No graph.
RmsRows rms_rows(const torch::Tensor& x, const torch::Tensor& weight, double epsilon, bool centred);

struct RmsGradients {
  torch::Tensor x, weight;  ///< undefined where they are not wanted
};
/// `into`: where the CPU's pass puts x's, of x's shape.
RmsGradients rms_gradients(const torch::Tensor& gradient, const torch::Tensor& x,
                           const torch::Tensor& weight, const torch::Tensor& scale, bool centred,
                           bool wants_x, bool wants_weight, const torch::Tensor& into = {});

/// With a graph, which keeps x and one number a row.
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double epsilon,
                       bool centred);
/// The same where x's type is narrower than float32: rounded once, at its end.
torch::Tensor rms_norm_once(const torch::Tensor& x, const torch::Tensor& weight, double epsilon);
/// The same without a weight (Gemma 4's values).
torch::Tensor unweighted_rms_norm(const torch::Tensor& x, double epsilon);
/// x + added, and its norm. Where kernels or loops of ours run one makes both, and one both
/// gradients.
std::pair<torch::Tensor, torch::Tensor> sum_and_rms_norm(const torch::Tensor& x,
                                                         const torch::Tensor& added,
                                                         const torch::Tensor& weight,
                                                         double epsilon, bool centred);

}  // namespace luthier
