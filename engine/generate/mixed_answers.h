// SPDX-License-Identifier: GPL-3.0-or-later
// Answers that two models write together: each next token is drawn from their geometric mixture,
// softmax(((1 − share) · a + share · b) / temperature) of their logits a and b, as TRL 1.9's
// GeometricMixtureWrapper makes it for Nash-MD. Each model reads a prompt once and has a key-value
// cache of its own.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/generate/generate.h"

namespace luthier {

struct MixedWith {
  /// Lets the other model do something as itself. It may stand on the first one's weights (other
  /// plugs, or none), and is then there for that time only.
  std::function<Status(const std::function<Status(const LoadedModel& other)>& work)> as_other;
  double share = 0.5;  ///< of the other model: 0 is the first alone, 1 the other
  /// What the first one's tower gives for pictures is what the other's would: it looks once.
  bool shares_tower = false;
};

/// One answer to each prompt by the first model, with whatever adapter is active, and the other.
/// End tokens and rules are the first one's; what is told of a token is its log-probability under
/// the mixture. Draws: see generate(). An Input error where the two have not the same number of
/// tokens. No inference mode: who stands on the base changes in between.
Result<std::vector<Generated>> generate_mixed(const LoadedModel& loaded, const MixedWith& other,
                                              const std::vector<Example>& prompts,
                                              const GenerationOptions& options,
                                              const GenerationProgress& progress,
                                              std::span<const std::uint64_t> draws);

}  // namespace luthier
