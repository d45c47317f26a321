// SPDX-License-Identifier: GPL-3.0-or-later
// The evaluation of a run (train/step_runner) and the held-out answers of one (compare/held_out),
// for rows of another run.
#include "engine/session/task_evaluation.h"

#include <cmath>

#include "engine/base/text.h"
#include "engine/compare/held_out.h"
#include "engine/data/columns.h"
#include "engine/device/exact_math.h"
#include "engine/device/failure.h"
#include "engine/generate/generate.h"
#include "engine/objectives/objective.h"
#include "engine/session/run_observer.h"
#include "engine/session/stage_course.h"
#include "engine/train/eva_rows.h"
#include "engine/train/row_check.h"
#include "engine/train/step_runner.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

using TaskGoesOn = std::function<bool(std::size_t done, std::size_t total)>;

/// The loss of one task, as its own run's evaluation has it.
Status add_task_loss(LoadedModel& model, const Trainables& result, const Recipe& task,
                     const TaskGoesOn& go_on, TaskScore& score) {
  LUTHIER_TRY(const auto objective, make_objective(task));
  LUTHIER_CHECK(objective->fits(model));
  RowReader reader = row_reader(task, model, *objective);
  LUTHIER_TRY(reader.dataset, open_rows(task, task.eval_dataset));
  LUTHIER_TRY(const UsableRows usable,
              check_rows(reader, task.image.on_error, "eval_dataset", go_on));
  if (usable.rows.empty())
    return input_error("There is no usable row to evaluate on.", "eval_dataset",
                       "Name a file with usable rows.");
  StepRunner runner(model, *objective, result, nullptr);
  std::vector<BrokenRow> broken;
  LUTHIER_TRY(const EvaluationOutcome outcome,
              runner.evaluate(reader, usable.rows, rows_evaluated(*objective, task.training),
                              static_cast<std::uint64_t>(task.training.seed), go_on, &broken));
  score.rows = static_cast<std::int64_t>(usable.rows.size() - broken.size());
  if (std::isfinite(outcome.loss)) score.figures[kTaskLoss] = outcome.loss;
  return {};
}

Result<TaskScore> score_task(LoadedModel model, const Trainables& result, const Recipe& task,
                             std::int64_t answers, const TaskGoesOn& go_on) {
  // Each task sees pictures in the size that its own run does.
  LUTHIER_TRY(model.processor, processor_for(model, load_options(task).pixels));
  TaskScore score;
  LUTHIER_CHECK(add_task_loss(model, result, task, go_on, score));
  if (answers == 0) return score;
  const auto samples = held_out_samples(task, static_cast<std::size_t>(answers));
  if (samples.empty()) return score;
  if (const Status writes = check_writes_text(model); !writes) {
    Error error = writes.error();
    error.where = "task_table.answers";
    return error;
  }
  LUTHIER_TRY(const auto figures,
              held_out_scores(model, result.adapter, samples, [&] { return go_on(0, 1); }));
  score.figures.insert(figures.begin(), figures.end());
  return score;
}

}  // namespace

Status check_task(const Recipe& recipe) {
  if (recipe.eval_dataset.empty())
    return input_error(
        "The table of tasks evaluates every stage's held-out rows, and this one "
        "names none.",
        "recipe: eval_dataset", "Name a file of them, or take task_table out.");
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  if (!objective->needs_reference() && objective->score_numbers() == 0 &&
      !objective->generations() && !objective->rolls_out())
    return {};
  return input_error(
      "The table of tasks asks each result for a loss of rows as they are written, "
      "and " +
          recipe.objective + " draws answers, asks a reference, or has a head of its own.",
      "recipe: objective", "Choose another objective for this stage, or take task_table out.");
}

Result<std::vector<TaskScore>> score_tasks(const Recipe& trained, const fs::path& folder,
                                           const TaskAsking& asking) try {
  const std::size_t of = asking.tasks.size();
  const auto told = [&](std::size_t task) {
    return [&asking, task, of](std::size_t done, std::size_t total) {
      // A task is a thousand parts of all, so that they are told of together.
      const std::size_t part = total == 0 ? 0 : done * 1000 / total;
      return !asking.progress || asking.progress(task * 1000 + part, of * 1000);
    };
  };
  LoadOptions load = load_options(trained);
  load.go_on = [&](double) { return told(0)(0, 1); };
  LUTHIER_TRY(LoadedModel model, load_model(trained.model, load));
  const ExactMath exact(model.model->device());  // as the run has it
  Trainables result;
  if (!folder.empty()) {
    LUTHIER_TRY(result.adapter, load_adapter(model, folder));
    result.adapter->set_training(false, 0);
  }
  std::vector<TaskScore> scores;
  for (std::size_t i = 0; i < of; ++i) {
    if (result.adapter) result.adapter->activate();  // answering takes it off
    auto score = score_task(model, result, asking.tasks[i], asking.answers, told(i));
    if (!score) return in_stage(score.error(), i);
    scores.push_back(score.take());
  }
  if (result.adapter) result.adapter->deactivate();
  return scores;
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out while the tasks were evaluated.", "task_table",
                    "Give the stages smaller batches."),
      machine_error("The tasks could not be evaluated: " + first_line(problem.what()),
                    "task_table"));
}

}  // namespace luthier
