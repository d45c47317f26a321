// SPDX-License-Identifier: GPL-3.0-or-later
// What an optimizer's step needs in memory while it moves a tensor, for the forecast: each optimizer
// says it beside its sums, as NAME_step_room. No LibTorch.
#pragma once

#include <cstdint>

#include "engine/config/optimizer_state.h"
#include "engine/config/recipe.h"

namespace luthier {

/// Beside gradients and state, one tensor after another.
struct StepRoom {
  std::int64_t floats = 0;  ///< temporaries, float32 numbers
  /// What becomes of a gradient that is narrower than what it moves.
  enum class Gradient {
    Read,     ///< it is read as it is
    Widened,  ///< made float32 while its tensor moves
    Listed    ///< made float32 beside others, until there are kWidenedBytes of them
  } gradient = Gradient::Widened;
};

/// Of the recipe's optimizer for a trained tensor.
StepRoom step_room(const TrainedShape& shape, const Recipe& recipe);

}  // namespace luthier
