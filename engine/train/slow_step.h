// SPDX-License-Identifier: GPL-3.0-or-later
// One step of the optimizer on one row, taken apart: what a pair of LoRA's matrices is before it,
// which gradients come, how the optimizer moves the pair, what that does to the weight, and what
// memory stands at each moment. No LibTorch header.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/forecast/forecast.h"
#include "engine/io/json.h"
#include "engine/train/token_losses.h"

namespace luthier {

struct SlowStepRequest {
  std::size_t row = 0;            ///< of the recipe's dataset, from 0
  std::string module;             ///< whose pair is shown; empty: the first
  std::int64_t steps_before = 0;  ///< taken on the row before the one that is shown
};

/// A matrix as it is drawn: each cell is what lies farthest from zero in its part.
struct ShownMatrix {
  std::int64_t rows = 0, columns = 0;  ///< of the matrix itself
  std::int64_t cell_rows = 0, cell_columns = 0;
  std::vector<float> cells;  ///< row by row
  double norm = 0;           ///< Frobenius
  double largest = 0;        ///< magnitude
};

/// A moment of the step and what tensors hold then.
struct StepMoment {
  std::string name;  ///< "start", "backward", "step", "end"
  MemoryParts memory;
};

struct SlowStep {
  std::vector<std::string> modules;  ///< that have a pair
  std::string module;
  std::int64_t rank = 0;
  double scale = 0;  ///< what B·A is multiplied with
  /// A and B began with a part of the weight (PiSSA, OLoRA): B₀·A₀ is taken off their product.
  bool from_weight = false;
  std::int64_t step = 0;  ///< which one it is, from 1
  double learning_rate = 0;
  std::string optimizer;
  double gradient_norm = 0;  ///< of all that trains, before clipping
  double clipped_to = 0;     ///< 0: it was not
  ShownMatrix a, b, gradient_a, gradient_b, moved_a, moved_b;
  ShownMatrix change_before, change_after;  ///< scale·B·A, or scale·(B·A − B₀·A₀)
  ShownMatrix change_of_step;               ///< the second less the first
  ShownMatrix weight;                       ///< of the base, which stays as it is
  TokenLosses before, after;
  std::vector<StepMoment> moments;
};
Json to_json(const SlowStep& step);

/// An adapter by the recipe on the base, which is left without it. Needs LoRA or a method whose
/// files have its pairs. `go_on`: false ends it (Interrupted).
Result<SlowStep> take_slow_step(LoadedModel& base, const Recipe& recipe,
                                const SlowStepRequest& request,
                                const std::function<bool()>& go_on = {});

}  // namespace luthier
