// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the trainer: one run as an object. Its preparation, its steps and its ends stand in a
// file each.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/device/memory.h"
#include "engine/objectives/objective.h"
#include "engine/optim/schedule.h"
#include "engine/train/checkpoint.h"
#include "engine/train/row_check.h"
#include "engine/train/run_log.h"
#include "engine/train/step_runner.h"
#include "engine/train/trainer.h"

namespace luthier {

class TrainingRun {
 public:
  TrainingRun(LoadedModel& base, BegunRun begun, const TrainerOptions& options,
              TrainControl& control, TrainObserver& observer)
      : base_(base),
        recipe_(std::move(begun.recipe)),
        begun_(std::move(begun.run)),
        options_(options),
        control_(control),
        observer_(observer),
        device_(base.model->device()) {}

  Result<RunResult> go();
  void release();

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  Status prepare();
  Status prepare_data();
  Status prepare_folder();
  void announce_start();
  Result<RunResult> loop();
  Status step();
  Status after_step();
  Status note_broken(const Window& window);
  Error saved_before(Error error);
  Status bad_step(const Window& window, const std::vector<std::int64_t>& rows,
                  const std::string& what);
  Status log_step(std::optional<double> eval_loss);
  Result<std::optional<double>> evaluate();
  Error out_of_memory();
  Error ended_on_bad_steps() const;
  Status check_finite(const std::string& refused) const;
  std::string way_on() const;
  bool never_moves() const;
  void announce_evaluation_rows();

  bool stopping() const { return control_.stop_kind() != TrainControl::Stop::None; }
  bool service();
  Status poll();
  Status durably(const std::function<Status()>& work);
  Status flush() {
    return durably([this] { return log_->flush(); });
  }
  Status checkpoint();
  Status save_checkpoint();
  Status save_result();
  Result<RunResult> end_stopped();
  Result<RunResult> end_finished();
  Error end_failed(Error error);
  void happen(const std::string& kind, const std::string& detail);
  RunManifest describe() const;
  double base_rate() const { return state_.learning_rate.value_or(recipe_.training.learning_rate); }
  double now() const { return options_.clock ? options_.clock() : seconds_since({}); }
  /// Spent training, over all resumes: not while paused.
  double seconds() const { return seconds_before_ + now() - started_; }
  bool minutes_are_up() const {
    const double minutes = recipe_.training.save_minutes;
    return minutes > 0 && seconds() - saved_at_ >= 60 * minutes;
  }
  std::string row_names(const std::vector<std::int64_t>& rows) const;

  LoadedModel& base_;
  Recipe recipe_;
  std::optional<PreparedRun> begun_;
  const TrainerOptions options_;
  TrainControl& control_;
  TrainObserver& observer_;
  const torch::Device device_;

  const Objective* objective_ = nullptr;
  RowReader reader_, eval_reader_;
  UsableRows rows_, eval_rows_;
  StepPlan plan_;
  Schedule schedule_;
  TrainerState state_;
  Trainables trainables_;
  std::unique_ptr<Optimizer> optimizer_;
  std::shared_ptr<RowCache> cache_;
  std::unique_ptr<StepRunner> runner_;
  std::unique_ptr<WindowSource> source_;
  std::unique_ptr<RunLog> log_;

  int bad_steps_ = 0;
  std::int64_t saved_step_ = -1;
  bool rotation_due_ = false, eval_broken_said_ = false;
  std::optional<double> last_loss_;
  double idle_seconds_ = 0, pace_ = 0;
  double seconds_before_ = 0, started_ = now(), saved_at_ = 0;  ///< saved_at_: by seconds()
  std::int64_t weights_ = 0, gradients_ = 0;
  MemoryUse measured_;
};

}  // namespace luthier
