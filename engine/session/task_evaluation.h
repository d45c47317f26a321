// SPDX-License-Identifier: GPL-3.0-or-later
// What one result of a run of stages knows of every stage's task: the loss of each eval_dataset by
// that stage's own objective, and how its first rows are answered. No LibTorch header.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/runs/task_table.h"

namespace luthier {

/// Refuses a stage whose task cannot be asked of another stage's result: one without eval_dataset,
/// or of an objective whose loss needs answers, a reference or a head of its own.
Status check_task(const Recipe& recipe);

struct TaskAsking {
  std::vector<Recipe> tasks;  ///< a stage's recipe each
  std::int64_t answers = 0;
  /// Of all tasks together; false ends it (Interrupted).
  std::function<bool(std::size_t done, std::size_t total)> progress;
};

/// `trained`: how the model is loaded, and which. `adapter`: a folder of one over it; empty: the
/// model by itself. Errors name a task's field as "stages.2.eval_dataset".
Result<std::vector<TaskScore>> score_tasks(const Recipe& trained,
                                           const std::filesystem::path& adapter,
                                           const TaskAsking& asking);

}  // namespace luthier
