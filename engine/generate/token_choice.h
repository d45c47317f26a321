// SPDX-License-Identifier: GPL-3.0-or-later
// From logits to the next token: greedy, or drawn after temperature and top-p (Holtzman et al.
// 2020) with a random number that depends on nothing but (seed, prompt, place). Log-probabilities
// are the model's own, before temperature.
#pragma once

#include <cstdint>
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

/// logits [vocab] float32 of one sequence; `prompt` and `step` place the draw.
TokenChoice choose_token(std::span<const float> logits, const GenerationOptions& options,
                         std::uint64_t prompt, std::int64_t step);

}  // namespace luthier
