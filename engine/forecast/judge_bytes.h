// SPDX-License-Identifier: GPL-3.0-or-later
// What judges drawn answers, where it is a model: it stands beside all else from the first
// generation on, and looks at a few answers at a time between drawing and learning. Internal to the
// forecast.
#pragma once

#include "engine/forecast/forecast.h"
#include "engine/objectives/objective.h"

namespace luthier {

struct JudgeBytes {
  std::int64_t weights = 0;
  std::int64_t pass = 0;  ///< of the largest, at its height
};
/// Of all reward models that the objective names. What of them cannot be read is refused when the
/// run begins. `model`: the run's, which an adapter of a reward model hangs on.
Result<JudgeBytes> judge_bytes(const ModelSummary& model, const Recipe& recipe,
                               const Objective& objective, const BatchShape& batch,
                               const StepTerms& terms);

/// What a pass that keeps nothing has at its height: about what a layer keeps otherwise, where all
/// of it trains.
std::int64_t height_of_pass(const ModelSummary& other, Pass pass);

}  // namespace luthier
