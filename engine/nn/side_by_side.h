// SPDX-License-Identifier: GPL-3.0-or-later
// Linears that read one x (queries, keys and values; a gate and what it opens), made together.
// Those whose weights lie one below the other (device/neighbours.h) are one product, whose columns
// are their results; where the gradients of those come beside one another, so is the gradient of x.
// x is kept once, what low-rank plugs add comes of one product with all their A where no dropout
// tells them apart, and what is not a neighbour adds itself to the same sum. Plugs that begin with
// the same narrow product of x (InnerPlug) share it.
#pragma once

#include <vector>

#include "engine/nn/dropout.h"
#include "engine/nn/linear.h"

namespace luthier {

/// What two narrow products add to a linear's: scale · drop(x) Aᵀ Bᵀ. a [r, in], b [out, r] as they
/// are trained, `near` the same in the type of x. Of undefined tensors: nothing is added.
struct LowRank {
  torch::Tensor a, b, near_a, near_b;
  double scale = 1, dropout = 0;
  MaskSeed seed;            ///< of the dropout
  torch::Tensor bias = {};  ///< [out], added as it is, in the type of x; undefined: none
};

/// A plug whose forward is low_rank_product with this and nothing else.
class LowRankPlug : public LinearPlug {
 public:
  /// `type`: of x.
  virtual LowRank low_rank(torch::ScalarType type) const = 0;
};

/// x [..., in] → the linear's product and what `low` adds to it, [..., out]; differentiable in x,
/// in A and B, in bias and, where it is trained, in the weight.
torch::Tensor low_rank_product(const torch::Tensor& x, const LinearImpl& linear,
                               const LowRank& low);
/// The same of a weight with this bias, or with none.
torch::Tensor low_rank_product(const torch::Tensor& x, const Weight& weight,
                               const torch::Tensor& bias, const LowRank& low);

/// Linears that read the same input of `in` numbers and give so many each, their weights one below
/// the other in one piece of memory and so are their biases. Each is a linear as any other, with a
/// tensor of its own that may be trained, packed or swapped by itself.
std::vector<Linear> neighbouring_linears(std::int64_t in, const std::vector<std::int64_t>& out,
                                         bool bias, const torch::TensorOptions& options);

constexpr std::size_t kNoneApart = static_cast<std::size_t>(-1);

/// x [..., in] → what each linear gives, [..., out], in their order; differentiable. What
/// neighbours give are columns of one tensor, and its memory lives as long as any of them: those
/// from the place `apart` on get memory of their own. A linear whose plug is not low-rank goes its
/// own way, but for an InnerPlug's product. Keeps x for the backward where a weight or a plug of
/// those together is trained, and of each plug s · x Aᵀ, [..., r].
std::vector<torch::Tensor> side_by_side(const torch::Tensor& x,
                                        const std::vector<const LinearImpl*>& linears,
                                        std::size_t apart = kNoneApart);

}  // namespace luthier
