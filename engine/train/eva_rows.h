// SPDX-License-Identifier: GPL-3.0-or-later
// The rows that EVA's start of LoRA looks at (methods/eva): those that the run will begin with, in
// their micro-batches and in their order, so that the start is a function of the recipe.
#pragma once

#include <functional>
#include <memory>

#include "engine/batches/window_source.h"
#include "engine/methods/eva.h"
#include "engine/objectives/objective.h"

namespace luthier {

/// How a recipe's rows are read for its objective; the dataset is left to the caller.
RowReader row_reader(const Recipe& recipe, const LoadedModel& base, const Objective& objective);

/// The recipe's new adapter where its start goes by rows, of the usable ones that `reader` has;
/// null: it does not. `done` is told how many micro-batches were looked at, and says whether to go
/// on.
Result<std::shared_ptr<Adapter>> adapter_by_rows(
    LoadedModel& base, const Recipe& recipe, const RowReader& reader,
    const std::vector<std::int64_t>& usable, const std::function<bool(std::int64_t)>& done = {});

/// The same from the recipe's dataset.
Result<std::shared_ptr<Adapter>> adapter_by_rows(
    LoadedModel& base, const Recipe& recipe, const std::function<bool(std::int64_t)>& done = {});

}  // namespace luthier
