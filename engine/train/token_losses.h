// SPDX-License-Identifier: GPL-3.0-or-later
// What each token of one row costs: minus the logarithm of the probability that the model gives it,
// as the run's cross-entropy has it. No LibTorch header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/recipe.h"

namespace luthier {

struct TokenLosses {
  std::size_t row = 0;
  /// One a token, as InspectedRow has them; NaN where the token carries no loss.
  std::vector<float> losses;
  double mean = 0;  ///< of those that do
  std::int64_t count = 0;
};

struct LoadedModel;
class Dataset;

/// By the model as it is now, with what hangs on it; nothing is kept and no gradient flows. Of
/// models that predict each token from those before it.
Result<TokenLosses> token_losses(const LoadedModel& base, const Recipe& recipe,
                                 const Dataset& dataset, std::size_t row);

}  // namespace luthier
