// SPDX-License-Identifier: GPL-3.0-or-later
// What follows a window's gradients: clipping, the optimizer's step, and what goes after the
// weights. Every rank of a run does it alike.
#pragma once

#include "engine/train/run_parts.h"

namespace luthier {

struct StepMoved {
  bool finite = false;         ///< else no weight was changed
  std::int64_t gradients = 0;  ///< bytes
  MemoryUse measured;          ///< with the gradients still there
};

/// The step after `run.state.step` steps, which it counts. `rate`: of this step; `max_norm`: to
/// which gradients are clipped. An error where what other ranks have moved does not come: the
/// weights must not be kept then.
Result<StepMoved> move_by(RunParts& run, const WindowOutcome& outcome, double rate,
                          double max_norm);

}  // namespace luthier
