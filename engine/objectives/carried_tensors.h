// SPDX-License-Identifier: GPL-3.0-or-later
// An objective that carries tensors from step to step (a queue of vectors), beside the small state
// that Objective::state has. They are made when a run begins and stand in its checkpoints.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/models/cost.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// What such an objective is, besides.
class CarriedTensors {
 public:
  virtual ~CarriedTensors() = default;
  /// The tensors by their names, on the model's device; the same ones each time. They change in
  /// training steps alone, and in place. Empty: there are none.
  virtual std::vector<std::pair<std::string, torch::Tensor>> carried_tensors(
      const LoadedModel& base) = 0;
  /// Their bytes, for the forecast.
  virtual std::int64_t carried_bytes(const HeadCost& head) const = 0;
};

}  // namespace luthier
