// SPDX-License-Identifier: GPL-3.0-or-later
// Products of a mask's two parts from one dense product, in float32 on a CPU with AVX-512. What a
// small dropout takes from x is a few numbers of each row: the product with those is sparse, that
// with the others follows from the whole one, and a gradient that wants another product at those
// places alone has it made there and nowhere else. DoRA makes its base's products so.
#pragma once

#include "engine/nn/dropout.h"

namespace luthier::sparse {

/// Above this a second dense product costs little more.
inline constexpr double kMostDropout = 0.1;

/// Whether the loops below take x [n, in], a weight [out, in] and this dropout, and are the faster
/// way.
bool suits(const torch::Tensor& x, const torch::Tensor& weight, double dropout);

/// → drop(x) Wᵀ [n, out], of y = x Wᵀ, which becomes (x − drop(x)) Wᵀ + bias; bias [out] or
/// undefined.
torch::Tensor split_product(const torch::Tensor& y, const torch::Tensor& x,
                            const torch::Tensor& weight, const torch::Tensor& bias, double dropout,
                            const MaskSeed& seed);
/// Adds (gradient ∘ factor) W to dx [n, in] at the places that the mask drops; gradient [n, out],
/// whose rows may lie apart, factor [out].
void add_where_dropped(const torch::Tensor& dx, const torch::Tensor& gradient,
                       const torch::Tensor& factor, const torch::Tensor& weight, double dropout,
                       const MaskSeed& seed);

}  // namespace luthier::sparse
