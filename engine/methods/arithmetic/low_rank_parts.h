// SPDX-License-Identifier: GPL-3.0-or-later
// Singular values and vectors of a product B·A through its factors: B = Q·R, Aᵀ = P·S, and what is
// decomposed is R·Sᵀ, [r, r]. The product itself, [out, in], is never made, so that the cost goes
// by the rank and not by the model's width.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// u [out, k], values [k] from the largest down, vh [k, in], float64.
struct SingularParts {
  torch::Tensor u, values, vh;
};
/// Of b [out, r] · a [r, in]; k is the smallest of out, in and r.
SingularParts singular_parts(const torch::Tensor& b, const torch::Tensor& a);
/// The values alone.
torch::Tensor singular_values(const torch::Tensor& b, const torch::Tensor& a);

/// A matrix of at most `rank`, as LoRA's pair has it: b [out, rank] holds the values, a [rank, in]
/// the directions. Of fewer parts than `rank` the rest is 0.
struct LowRankPair {
  torch::Tensor a, b;
};
LowRankPair leading_pair(const SingularParts& parts, std::int64_t rank);
/// The nearest pair to a whole matrix [out, in].
LowRankPair leading_pair(const torch::Tensor& whole, std::int64_t rank);

}  // namespace luthier
