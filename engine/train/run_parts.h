// SPDX-License-Identifier: GPL-3.0-or-later
// What a run is made of once it is prepared. Three work on it: the loop (training_loop.h), what
// interferes with it (interference.h), and how it ends (run_ending.h).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "engine/device/exact_math.h"
#include "engine/device/memory.h"
#include "engine/optim/schedule.h"
#include "engine/runs/run_alarms.h"
#include "engine/runs/run_edits.h"
#include "engine/train/checkpoint.h"
#include "engine/train/row_check.h"
#include "engine/train/run_inputs.h"
#include "engine/train/run_log.h"
#include "engine/train/step_runner.h"
#include "engine/train/trainer.h"

namespace luthier {

struct RunParts {
  RunParts(LoadedModel& model, BegunRun begun_run, const TrainerOptions& given,
           TrainObserver& watcher)
      : base(model),
        recipe(std::move(begun_run.recipe)),
        begun(std::move(begun_run.run)),
        options(given),
        observer(watcher),
        device(model.model->device()),
        ranks(given.ranks) {}

  bool resumes() const { return begun && begun->kind == PreparedRun::Kind::Resume; }
  /// Of live_settings(): what was set by hand, else the recipe's.
  double setting(const std::string& name) const {
    const auto found = state.edited.find(name);
    return found == state.edited.end() ? recipe_value(recipe, name) : found->second;
  }
  /// The peak rate.
  double base_rate() const { return setting("learning_rate"); }
  /// Into the run's events, and to the host.
  void note(const std::string& kind, const std::string& detail);

  LoadedModel& base;
  Recipe recipe;
  std::optional<PreparedRun> begun;
  const TrainerOptions options;
  TrainObserver& observer;
  const torch::Device device;
  const ExactMath exact{device};       ///< for as long as the run lasts
  const std::shared_ptr<Ranks> ranks;  ///< null: one process trains alone
  bool follows() const { return ranks && !ranks->leads(); }
  const bool shards = ranks && options.shards.optimizer;  ///< the optimizer's state, among them
  /// Sharded: the checkpoint's file that a result's masters are read from; empty: they are the last
  /// step's.
  std::filesystem::path masters_from;

  std::unique_ptr<Objective> objective;
  RowReader reader, eval_reader;
  UsableRows rows, eval_rows;
  std::optional<RowFiles> files, eval_files;         ///< until the run has begun
  std::map<std::string, std::string> models_beside;  ///< fingerprints, by their settings
  /// Of a rank that follows: rank 0 keeps what a reference was asked beforehand, and it is read
  /// there.
  bool asked_at_leader = false;
  std::shared_ptr<const RowOrder> order;  ///< null: by shuffle alone
  StepPlan plan;
  Schedule schedule;
  TrainerState state;
  Trainables trainables;
  std::unique_ptr<Optimizer> optimizer;
  std::shared_ptr<RowCache> cache;
  NamedTensors moving_reference;  ///< the reference's tensor for each that trains; empty: it stands
  std::unique_ptr<StepRunner> runner;
  std::unique_ptr<WindowSource> source;
  std::unique_ptr<RunLog> log;  ///< once the folder is there; never of a rank that follows
  bool recordable = false;      ///< its steps could be recorded

  /// Changes by hand that are still to be made again, in the order of their steps: of a resume
  /// those that its folder tells of, or what the host was given. `event`: as it stands there.
  struct Waiting {
    RunEdit edit;
    std::optional<RunEvent> event = {};
  };
  std::deque<Waiting> edits;
  BestRules best_rules;
  RunAlarms alarms;

  int bad_steps = 0;  ///< not finite, the last ones in a row
  std::optional<double> last_loss;
  double seconds_before = 0;  ///< spent before this resume
};

/// Data, plan, what trains, the folder. A run that cannot start leaves nothing behind. `stopping`
/// is asked while rows are checked.
Status prepare_run_parts(RunParts& run, const std::function<bool()>& stopping);

}  // namespace luthier
