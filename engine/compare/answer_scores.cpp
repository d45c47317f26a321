// SPDX-License-Identifier: GPL-3.0-or-later
// Sums over what a column makes of an answer.
#include "engine/compare/answer_scores.h"

#include <algorithm>
#include <cmath>

namespace luthier {

double ScoredColumn::logprob() const {
  double sum = 0;
  for (const TokenScore& token : tokens) sum += token.logprob;
  return sum;
}

double ScoredColumn::perplexity() const {
  return tokens.empty() ? 1 : std::exp(-logprob() / static_cast<double>(tokens.size()));
}

double ScoredColumn::divergence() const {
  double sum = 0;
  for (const TokenScore& token : tokens) sum += token.divergence;
  return tokens.empty() ? 0 : sum / static_cast<double>(tokens.size());
}

std::optional<std::size_t> ScoredColumn::first_other(const std::vector<AnswerToken>& answer) const {
  for (std::size_t i = 0; i < std::min(answer.size(), tokens.size()); ++i)
    if (tokens[i].likeliest != answer[i].id) return i;
  return {};
}

}  // namespace luthier
