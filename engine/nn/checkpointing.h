// SPDX-License-Identifier: GPL-3.0-or-later
// Activation checkpointing (Chen et al. 2016): keep a block's input, run the block again in the
// backward. Saved-tensor hooks exist in Python alone, so this is an autograd function.
#pragma once

#include <functional>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// Runs `block` on `x` without a graph; its graph is built again from `x` when the gradient
/// arrives. Gradients of tensors inside the block (adapters) accumulate as usual. The block must
/// compute the same again (seeded dropout does).
torch::Tensor checkpointed(const std::function<torch::Tensor(const torch::Tensor&)>& block,
                           const torch::Tensor& x);

/// The same for a block that also reads `other` [any shape], which gets its gradient, too: states
/// that were made outside, such as those that a decoder looks across to.
torch::Tensor checkpointed(
    const std::function<torch::Tensor(const torch::Tensor&, const torch::Tensor&)>& block,
    const torch::Tensor& x, const torch::Tensor& other);

/// The same for a block that gives several tensors, each with or without a gradient to come.
std::vector<torch::Tensor> checkpointed_all(
    const std::function<std::vector<torch::Tensor>(const torch::Tensor&)>& block,
    const torch::Tensor& x);

/// The same for a block that reads several, each of which gets its gradient. All are defined.
std::vector<torch::Tensor> checkpointed_all(
    const std::function<std::vector<torch::Tensor>(const std::vector<torch::Tensor>&)>& block,
    const std::vector<torch::Tensor>& inputs);

}  // namespace luthier
