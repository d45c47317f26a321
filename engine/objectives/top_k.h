// SPDX-License-Identifier: GPL-3.0-or-later
// Of a teacher's next-token distributions q the k likeliest tokens and how much all others have
// together, which is enough to keep of a teacher on a disk. The model's p is held against the
// distribution that has those, and whose others share what is left as p's own do. So the distance
// is that of what is told apart, k tokens and "another one":
//   D(q, p) = D(kept q, kept p) + what p and q differ in among the others alone,
// where the last part is, of the forward divergence, rest(q) · KL(q among others ‖ p among others),
// of the reverse one rest(p) · KL(p among others ‖ q among others), and never below 0. With k the
// vocabulary there are no others, and it is D itself.
#pragma once

#include "engine/objectives/head_loss.h"

namespace luthier {

struct TopK {
  torch::Tensor ids;        ///< [labels, k] int64
  torch::Tensor log_probs;  ///< [labels, k] float32
  torch::Tensor rest;       ///< [labels] float32: log of the others' sum
};

/// Of logits over the temperature, of a head of so many tokens; where k is more, of all of them.
TopK top_k_of(const TeacherStates& teacher, std::int64_t k, double temperature,
              std::int64_t vocabulary);

/// See chunked_divergence of a whole teacher.
HeadDivergence chunked_divergence(const torch::Tensor& hidden, const Linear& head,
                                  const TopK& teacher, const Divergence& divergence,
                                  bool entropy = false);

}  // namespace luthier
