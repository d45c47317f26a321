// SPDX-License-Identifier: GPL-3.0-or-later
// x + x · M where M stands block by block along the diagonal (a rotation less none, as OFT turns
// what a linear takes), in float32 on a CPU with AVX-512: x is read once and the result written
// once. A batched product wants each block's columns laid out by themselves, which costs several
// passes over x, forward and backward.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// x [..., blocks · b] with each block b and its product with its own of `matrices` [blocks, b, b],
/// added up, in x's type; differentiable in both.
torch::Tensor with_block_products(const torch::Tensor& x, const torch::Tensor& matrices);

/// x [..., blocks · b] with each block b times its own of `matrices` [blocks, b, b], in x's type;
/// by LibTorch, on any device.
torch::Tensor block_products(const torch::Tensor& x, const torch::Tensor& matrices);

/// Whether the loops take x and matrices like these.
bool block_loops_take(const torch::Tensor& x, const torch::Tensor& matrices);

}  // namespace luthier
