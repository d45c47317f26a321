// SPDX-License-Identifier: GPL-3.0-or-later
// The loss of some rows as a run would meet them in its first step, taken apart: what an oracle
// compares, and whoever wonders where a loss comes from. No step is taken.
#pragma once

#include <filesystem>
#include <string>

#include "engine/models/loaded_model.h"
#include "engine/objectives/objective.h"

namespace luthier {

/// All rows of `file` as one micro-batch that is the whole window. What the objective shows of it,
/// then `loss` [1], `grad.NAME` of every trained tensor by its name in the result, and
/// `metric.NAME` [1] of every figure. `base` is left without an adapter and without gradients.
Result<NamedTensors> loss_of_rows(LoadedModel& base, const Recipe& recipe,
                                  const std::filesystem::path& file);

}  // namespace luthier
