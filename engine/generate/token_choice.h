// SPDX-License-Identifier: GPL-3.0-or-later
// From logits to the next token: greedy, or drawn after temperature and top-p (Holtzman et al.
// 2020) with a random number that depends on nothing but (seed, prompt, place). Log-probabilities
// are the model's own, before temperature.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/data/processor.h"
#include "engine/generate/generation_types.h"

namespace luthier {

struct TokenChoice {
  TokenId id = 0;
  double logprob = 0;  ///< log softmax(logits)[id]
  std::vector<std::pair<TokenId, double>>
      alternatives;  ///< the runners-up with their probabilities, best first
};

/// logits [vocab] float32 of one sequence; `prompt` and `step` place the draw. `scores`: the logits
/// that the choice is made by, where they are not the model's own (generate/ruled_scores).
TokenChoice choose_token(std::span<const float> logits, const GenerationOptions& options,
                         std::uint64_t prompt, std::int64_t step,
                         std::span<const float> scores = {});

/// What a device sends of a row in place of its logits: those of the most likely tokens, and sums
/// over all of them, which it adds up in another order than the host would.
struct LeadingTokens {
  std::vector<std::pair<TokenId, float>> best;  ///< with their logits; of equal ones the lower id
  std::size_t vocabulary = 0;                   ///< of how many they are the best
  double log_total = 0;                         ///< log Σ exp(logit)
  double weights = 0;  ///< Σ exp((logit − largest) / temperature), where tokens are drawn
};
/// How many of them a choice asks for.
std::size_t leading_count(const GenerationOptions& options, std::size_t vocabulary);

/// choose_token of the same row. Nothing: a draw that those sent do not decide, because it lies
/// among the other tokens or so near a border that the order of a sum could move it; the whole row
/// has to be looked at.
std::optional<TokenChoice> choose_among(const LeadingTokens& leading,
                                        const GenerationOptions& options, std::uint64_t prompt,
                                        std::int64_t step);

}  // namespace luthier
