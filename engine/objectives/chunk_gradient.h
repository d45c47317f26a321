// SPDX-License-Identifier: GPL-3.0-or-later
// What a loss does with one chunk of logits: everything in the memory that they stand in, since a
// chunk of a real vocabulary is the largest tensor of a step.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/nn/weight.h"

namespace luthier {

/// Σ −log softmax(logits)[target]: logits [n, vocab] of any floating type, target [n] int64 → [],
/// float32. The logits are used up; with `gradient` they become what the sum's gradient by them is,
/// softmax − onehot(target). `shares` [n] float32, where they are defined: what each row's loss
/// counts in the sum; the gradient is as if all counted.
torch::Tensor cross_entropy_in_place(const torch::Tensor& logits, const torch::Tensor& target,
                                     bool gradient, const torch::Tensor& shares = {});

/// How far a model's next-token distributions p lie from a teacher's q (Agarwal et al. 2023): beta
/// 0 KL(q ‖ p), beta 1 KL(p ‖ q), between them beta · KL(q ‖ m) + (1 − beta) · KL(p ‖ m) with the
/// mixture m = beta · q + (1 − beta) · p. Both are of the logits over the temperature.
struct Divergence {
  double beta = 0.5, temperature = 1;
};

/// Of logits [n, vocab] and a teacher's of the same shape, any floating types: the rows' sum, []
/// float32. Both are used up; with `gradient` the first become what the sum's gradient by them is.
/// `entropy` [n] float32, where it is defined, gets that of each p, in nats.
torch::Tensor divergence_in_place(const torch::Tensor& logits, const torch::Tensor& teacher,
                                  const Divergence& divergence, bool gradient,
                                  const torch::Tensor& entropy = {});

/// What a loss makes of a chunk's logits [end − begin, vocab], which are of the rows [begin, end):
/// the sum of those rows' losses, [] float32. The logits are used up; with `gradient` they become
/// what the sum's gradient by them is.
using ChunkLoss = std::function<torch::Tensor(const torch::Tensor& logits, std::int64_t begin,
                                              std::int64_t end, bool gradient)>;

/// A head's softcap over one chunk of logits.
class ChunkCap {
 public:
  /// Caps `logits` in the memory that they stand in; 0: leaves them. `gradient`: what the cap does
  /// to a gradient is kept until back().
  ChunkCap(double softcap, const torch::Tensor& logits, bool gradient);
  /// The gradient by the capped logits becomes that by those before, in its own memory.
  void back(const torch::Tensor& gradient) const;

 private:
  torch::Tensor slope_;
};

/// logits [n, vocab] become the gradient of Σ share · log softmax(logits / temperature)[target] by
/// themselves: (onehot(target) − softmax) · share / temperature. share [n] float32. `of_entropy`
/// [n] float32, where it is defined: the gradient of Σ of_entropy · entropy is added to it,
/// −softmax · (log softmax + entropy) · of_entropy / temperature; then `share` may be undefined.
void log_prob_gradient_in_place(const torch::Tensor& logits, const torch::Tensor& target,
                                const torch::Tensor& share, double temperature,
                                const torch::Tensor& of_entropy = {});

/// What a plain head's product passes on, added up chunk by chunk. Undefined: not wanted.
struct PlainHeadGradients {
  struct Wanted {
    bool hidden = false, weight = false, bias = false;
    bool any() const { return hidden || weight || bias; }
  };
  /// hidden [n, width]; leaf and bias as autograd has them.
  PlainHeadGradients(const Wanted& wanted, const torch::Tensor& hidden, const torch::Tensor& leaf,
                     const torch::Tensor& bias);
  /// `logits` [end − begin, vocab]: the gradient by the logits of these rows of `states`. `shares`
  /// [rows of `states`] float32 of 1 and 0, where they are defined: rows of a 0 add nothing.
  void add(const torch::Tensor& states, std::int64_t begin, std::int64_t end,
           const torch::Tensor& logits, const Weight& of_head, const torch::Tensor& shares = {});

  torch::Tensor hidden;        ///< like the states
  torch::Tensor weight, bias;  ///< float32
};

/// x · factor in the type asked for, the factor unrounded: as a tensor of no dimension it would
/// first be rounded to x's type on any device but the CPU, and one rounding would be in all
/// gradients. Undefined where x is.
torch::Tensor scaled(const torch::Tensor& x, const torch::Tensor& factor, torch::ScalarType type);

}  // namespace luthier
