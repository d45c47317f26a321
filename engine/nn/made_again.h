// SPDX-License-Identifier: GPL-3.0-or-later
// What plugs compute from their tensors, made once in the forward and once more in the backward, so
// that between the two nothing stands but x and what trains: no matrix as large as the weight that
// it is added to, no chain of intermediates.
#pragma once

#include <functional>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

/// A matrix [out, in] from what trains, differentiable where gradients are on; the same each time, a
/// new tensor whose numbers its own backward does not read.
using MadeMatrix = std::function<torch::Tensor(const std::vector<torch::Tensor>& trained)>;

/// x [..., in] · Mᵀ → [..., out], a new tensor of x's type, where `make` makes M of `trained`;
/// differentiable in x and in all of `trained`.
torch::Tensor product_with_made(const torch::Tensor& x, const std::vector<torch::Tensor>& trained,
                                const MadeMatrix& make);

/// x [..., in] · (W + M)ᵀ + bias → [..., out], one product for both: `base` is W [out, in], which
/// like `bias` (undefined: none) takes no gradient. All of it is float32, where a small M is not
/// rounded away beside W.
torch::Tensor product_with_made(const torch::Tensor& x, const torch::Tensor& base,
                                const torch::Tensor& bias,
                                const std::vector<torch::Tensor>& trained, const MadeMatrix& make);

/// What becomes of x by what trains, differentiable where gradients are on; the same each time.
using MadeFromInput =
    std::function<torch::Tensor(const torch::Tensor& x, const std::vector<torch::Tensor>& trained)>;

/// make(x, trained), differentiable in x and in all of `trained`.
torch::Tensor made_from_input(const torch::Tensor& x, const std::vector<torch::Tensor>& trained,
                              const MadeFromInput& make);

}  // namespace luthier
