// SPDX-License-Identifier: GPL-3.0-or-later
// Which examples tell most: a greedy D-optimal design over what the model makes of an example's
// tokens before its head (FisherSFT: Deb et al., ICML 2025). The head is a multinomial logistic
// regression, whose information about its weights is bounded below by V = prior·I + Σ x xᵀ over the
// tokens of the chosen examples; each step takes the example with the largest gain of log det V.
// The gain of an example never grows (log det is submodular), so a gain that was found earlier is a
// bound, and most examples are never looked at again (Minoux 1978: lazy evaluation). What is chosen
// reaches 1 − 1/e of the best choice's log det V − log det(prior·I) (Nemhauser et al. 1978).
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier {

struct ChosenExample {
  std::size_t example = 0;  ///< its place, from 0
  double gain = 0;          ///< of log det V, in nats, when it was chosen
};

struct InformationSource {
  std::size_t examples = 0;
  std::int64_t width = 0;  ///< of a token's numbers
  /// [tokens, width] float32 of one example, as often as it is asked for.
  std::function<Result<torch::Tensor>(std::size_t example)> states;
  /// What each example costs: chosen is then by gain a unit of cost (Khuller et al. 1999), and the
  /// share of the best choice above is no longer sure. Empty: all cost alike.
  std::vector<double> costs = {};
  /// Told of each example that is chosen; false ends it (Interrupted).
  std::function<bool(std::size_t chosen, std::size_t of)> progress = {};
};

struct ChosenExamples {
  std::vector<ChosenExample> chosen;  ///< in the order in which they were
  std::size_t looked_at = 0;          ///< gains that were computed
};

/// The `count` (or all) that tell most, in float64; of equal ones the first. Memory: width² numbers
/// and one example's.
Result<ChosenExamples> choose_examples(const InformationSource& source, std::size_t count,
                                       double prior = 1);

/// [min(tokens, width), width]: other rows with the same Σ x xᵀ.
torch::Tensor as_few_rows(const torch::Tensor& states);

}  // namespace luthier
