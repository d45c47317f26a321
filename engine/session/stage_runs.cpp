// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/stage_runs.h"

#include <memory>

#include "engine/base/log.h"
#include "engine/config/order_fields.h"
#include "engine/data/columns.h"
#include "engine/device/product_library.h"
#include "engine/device/threads.h"
#include "engine/methods/merge.h"
#include "engine/methods/method.h"
#include "engine/objectives/objective.h"
#include "engine/runs/run_folder.h"
#include "engine/session/run_observer.h"
#include "engine/session/task_evaluation.h"
#include "engine/train/eva_rows.h"
#include "engine/train/row_check.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kStageForecastRows = 4000;

/// The rows of a later stage, as its own start will look at them.
Status check_stage_rows(const Recipe& recipe, const ChatProcessor& processor,
                        const StageHost& host) {
  RowReader reader;
  reader.processor = std::shared_ptr<const ChatProcessor>(&processor, [](const auto*) {});
  reader.kind = &row_kind_of(recipe);
  reader.loss_on = loss_on_from_name(recipe.training.loss_on);
  reader.max_length = recipe.training.max_length;
  const auto progress = [&](std::size_t done, std::size_t total) {
    host.emit(Progress{0, "Checking rows", static_cast<double>(done), static_cast<double>(total)});
    return !host.stopping();
  };
  const auto check = [&](const std::vector<std::string>& files, const char* key) -> Status {
    LUTHIER_TRY(reader.dataset, open_rows(recipe, files));
    LUTHIER_TRY(const UsableRows rows, check_rows(reader, recipe.image.on_error, key, progress));
    const bool by_length = recipe.more.text("curriculum.by") == "length";  // every row has one
    if (key == std::string("dataset") && !by_length) {
      const auto order = make_row_order(recipe, reader, rows.rows, progress);
      if (!order) return order.error();
    }
    if (!rows.rows.empty()) return {};
    return input_error("There is no usable row.", key,
                       "See `luthier-cli data check` for what is wrong with each row.");
  };
  LUTHIER_CHECK(check(training_files(recipe), "dataset"));
  return recipe.eval_dataset.empty() ? Status() : check(recipe.eval_dataset, "eval_dataset");
}

/// A stage that is not begun, as far as that can be known while those before it have not run.
Status check_later_stage(const StageStep& step, const StageHost& host) {
  const Recipe& recipe = step.foreseen;
  if (step.start != StageStart::Adapter) LUTHIER_CHECK(check_adapter_of(recipe));
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  LUTHIER_TRY(const auto processor, load_processor(recipe));
  LUTHIER_CHECK(check_stage_rows(recipe, *processor, host));
  TrainerOptions options;
  LUTHIER_TRY(const auto forecast,
              forecast_launch(*processor, recipe, kStageForecastRows, options));
  return {};
}

bool is_finished(const fs::path& run) {
  return stage_state(run) == run_state_name(RunState::Finished);
}

/// The last stage's adapter in its base, in a checkpoint beside it, made where it is not whole.
Status make_merged(const StageFolder& folder, std::size_t of, const std::string& base,
                   const StageHost& host) {
  const fs::path merged = folder.merged_path(of);
  if (check_folder_sizes(merged)) return {};
  if (host.let_go) host.let_go();
  MergeOptions how;
  how.go_on = [&](double done) {
    host.emit(Progress{0, "Merging the last stage", done, 1});
    return !host.stopping();
  };
  LUTHIER_TRY(const MergeReport report,
              merge_adapter(base, folder.run_path(of) / "adapter", merged, how));
  host.emit(Progress{0, "Merging the last stage", 1, 1});
  log_info(report.sentence());
  return {};
}

class StageRuns {
 public:
  StageRuns(const StagedRecipe& staged, std::vector<StageStep> steps, const StageHost& host)
      : staged_(staged), steps_(std::move(steps)), host_(host) {
    for (const StageStep& step : steps_) names_.push_back(step.name);
  }

  Result<RunResult> run(const std::optional<fs::path>& resume_run) {
    LUTHIER_TRY(std::optional<StageFolder> folder, StageFolder::find(staged_, resume_run));
    std::size_t first = 0;
    while (folder && first < steps_.size() && is_finished(folder->run_path(first))) ++first;
    if (folder && first == steps_.size()) {
      LUTHIER_CHECK(fill_task_table(*folder, first));
      return ended(*folder, first - 1);
    }
    for (std::size_t i = first + 1; i < steps_.size(); ++i) {
      if (const Status fine = check_later_stage(steps_[i], host_); !fine)
        return in_stage(fine.error(), i);
    }
    if (!folder) {
      const fs::path place = resume_run.value_or(staged_.output_dir);
      LUTHIER_TRY(folder, StageFolder::create(staged_, place, stage_records(steps_, staged_, place),
                                              host_.ranks));
    }
    for (std::size_t i = first; i < steps_.size(); ++i) {
      LUTHIER_CHECK(fill_task_table(*folder, i));
      auto result = run_one(*folder, i, first);
      if (!result) return in_stage(result.error(), i);
      const bool finished = result->state == RunState::Finished;
      if (finished && i + 1 == steps_.size()) LUTHIER_CHECK(fill_task_table(*folder, i + 1));
      if (!finished || i + 1 == steps_.size()) {
        result->folder = folder->path();
        return result;
      }
    }
    return ended(*folder, steps_.size() - 1);
  }

 private:
  /// The rows of the base and of the `done` stages that have ended, where they are not there yet.
  Status fill_task_table(const StageFolder& folder, std::size_t done) {
    if (!staged_.task_table) return {};
    LUTHIER_TRY(std::optional<TaskTable> found, read_task_table(folder.path()));
    if (!found) found = TaskTable{names_, staged_.task_table->answers, {}};
    if (found->tasks != names_ || found->answers != staged_.task_table->answers)
      return input_error("The table is of other tasks than the run's.",
                         (folder.path() / kTaskTableFile).string(),
                         "Remove the file: the resume makes it again.");
    while (found->rows.size() <= done) {
      LUTHIER_TRY(auto row, task_row(folder, found->rows.size()));
      found->rows.push_back(std::move(row));
      LUTHIER_CHECK(write_task_table(*found, folder.path()));
    }
    return {};
  }

  /// What is known before the first stage (0) or after one.
  Result<std::vector<TaskScore>> task_row(const StageFolder& folder, std::size_t row) {
    if (host_.let_go) host_.let_go();
    TaskAsking asking;
    for (const StageStep& step : steps_) asking.tasks.push_back(step.foreseen);
    asking.answers = staged_.task_table->answers;
    asking.progress = [&](std::size_t done, std::size_t total) {
      host_.emit(Progress{0, "Evaluating every task", static_cast<double>(done),
                          static_cast<double>(total)});
      return !host_.stopping();
    };
    Recipe trained = stage_recipe(steps_, row == 0 ? 0 : row - 1, staged_, folder);
    if (row == 0) return score_tasks(trained, trained.adapter.init_from, asking);
    const fs::path run = folder.run_path(row - 1);
    if (const auto summary = summarize_run(run)) {
      keep_products(summary->manifest.products);  // as the stage has had them
      take_all_cores();
    }
    LUTHIER_TRY(const Method* method, find_method(trained.strategy));
    if (method->hangs_adapter()) return score_tasks(trained, run / "adapter", asking);
    trained.model = (run / "model").string();
    trained.init = "pretrained";
    return score_tasks(trained, {}, asking);
  }

  /// How the last one ended before.
  Result<RunResult> ended(const StageFolder& folder, std::size_t last) const {
    LUTHIER_TRY(const RunSummary summary, summarize_run(folder.run_path(last)));
    RunResult result;
    result.folder = folder.path();
    result.step = summary.manifest.step;
    result.loss = summary.manifest.last_loss;
    result.seconds = summary.manifest.seconds;
    return result;
  }

  Result<RunResult> run_one(const StageFolder& folder, std::size_t index, std::size_t first) {
    const Recipe recipe = stage_recipe(steps_, index, staged_, folder);
    host_.emit(StageBegan{names_, index, folder.path(), stage_start_name(steps_[index].start)});
    if (host_.stopping()) return interrupted_error();
    StageRun stage{recipe, folder.run_path(index), {}, {}};
    if (index > 0) {
      if (const auto before = summarize_run(folder.run_path(index - 1)))
        stage.products = before->manifest.products;
    }
    if (steps_[index].start == StageStart::Merged) {
      keep_products(stage.products);
      take_all_cores();
      const std::string base = stage_recipe(steps_, index - 1, staged_, folder).model;
      LUTHIER_CHECK(make_merged(folder, index - 1, base, host_));
    }
    // All stages are of one family: what does not fit this model fits none of the later ones.
    if (index > first) return host_.train(stage);
    stage.check = [this, index](const LoadedModel& base) -> Status {
      for (std::size_t i = index + 1; i < steps_.size(); ++i) {
        LUTHIER_TRY(const auto objective, make_objective(steps_[i].foreseen));
        if (const Status fits = objective->fits(base); !fits) return in_stage(fits.error(), i);
      }
      return {};
    };
    return host_.train(stage);
  }

  const StagedRecipe& staged_;
  const std::vector<StageStep> steps_;
  const StageHost& host_;
  std::vector<std::string> names_;
};

}  // namespace

void keep_stage_products(const BegunRun& begun, const StageRun& stage) {
  const bool resumes = begun.run && begun.run->kind == PreparedRun::Kind::Resume;
  if (resumes || stage.products.empty()) return;
  keep_products(stage.products);
  take_all_cores();  // MKL's threads go by who makes the products
}

Result<RunResult> run_stages(const StagedRecipe& given, const std::optional<fs::path>& resume_run,
                             const StageHost& host) {
  const StagedRecipe staged = stages_of_ranks(given, resume_run, host.ranks);
  LUTHIER_TRY(std::vector<StageStep> steps, plan_course(staged));
  StageRuns runs(staged, std::move(steps), host);
  return runs.run(resume_run);
}

}  // namespace luthier
