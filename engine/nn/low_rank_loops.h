// SPDX-License-Identifier: GPL-3.0-or-later
// What a low-rank plug with dropout adds to a linear, and its gradients, in float32 on a CPU with
// AVX-512: each of x, y and their gradients is read once, and the mask is drawn where its numbers
// lie. As products of their own they cost a pass over memory each, and a library made for large
// ones reaches half of the processor's speed where one side is sixteen numbers wide.
#pragma once

#include <utility>

#include "engine/nn/dropout.h"

namespace luthier::low_rank {

/// Whether the loops below take x [n, in] and A [r, in], B [out, r] beside it.
bool suits(const torch::Tensor& x, const torch::Tensor& a, const torch::Tensor& b);

/// scale · drop(x) Aᵀ → [n, r]. A dropout of 0 drops nothing.
torch::Tensor inner_of(const torch::Tensor& x, const torch::Tensor& a, double scale, double dropout,
                       const MaskSeed& seed);
/// Adds inner [n, r] · Bᵀ to y [n, out], whose rows may lie apart.
void add_outer(const torch::Tensor& y, const torch::Tensor& inner, const torch::Tensor& b);
/// Of y's gradient [n, out], whose rows may lie apart: the gradients scale · gradient B [n, r] of
/// drop(x) Aᵀ, and gradientᵀ inner [out, r] of B.
std::pair<torch::Tensor, torch::Tensor> inner_gradients(const torch::Tensor& gradient,
                                                        const torch::Tensor& b,
                                                        const torch::Tensor& inner, double scale);
/// Adds drop(dinner A) to dx [n, in] and → dinnerᵀ drop(x) [r, in], the gradient of A.
torch::Tensor outer_gradients(const torch::Tensor& dx, const torch::Tensor& dinner,
                              const torch::Tensor& a, const torch::Tensor& x, double dropout,
                              const MaskSeed& seed);

}  // namespace luthier::low_rank
