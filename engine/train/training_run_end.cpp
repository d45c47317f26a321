// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints, results and the ways a run ends.
#include <cmath>

#include "engine/base/log.h"
#include "engine/methods/adapter_notes.h"
#include "engine/train/training_run.h"

namespace luthier {

Status TrainingRun::save_checkpoint() {
  LUTHIER_TRY(FolderWriter writer, log_->folder().begin_checkpoint(state_.step));
  state_.objective = objective_->state();
  LUTHIER_CHECK(write_checkpoint(writer.path(), state_, trainables_, *optimizer_, recipe_.model));
  if (trainables_.adapter)
    LUTHIER_CHECK(write_adapter_notes(writer.path() / "adapter", base_.pixels));
  LUTHIER_CHECK(writer.commit());
  log_->manifest().step = state_.step;
  log_->manifest().seconds = seconds();
  return log_->write_state(log_->manifest().state);
}

/// What to do after steps that are not finite. A resume would meet them again, and takes no other
/// settings.
std::string TrainingRun::way_on() const {
  const std::string again =
      "Start a new run with a lower training.learning_rate, or without the rows that are named.";
  const std::vector<Checkpoint> checkpoints = log_->folder().checkpoints();
  if (checkpoints.empty() || !trainables_.adapter) return again;
  const std::string good = (checkpoints.back().path / "adapter").string();
  return again + " As adapter.init_from, " + good + " has the last good weights.";
}

/// An error where a trained weight is not finite: `refused` ("no checkpoint") is then not written.
Status TrainingRun::check_finite(const std::string& refused) const {
  const torch::NoGradGuard no_grad;
  for (const TrainedTensor& trained : trainables_.tensors) {
    if (trained.tensor.numel() == 0 || std::isfinite(trained.tensor.abs().max().item<double>()))
      continue;
    return input_error("The weight " + trained.name + " is not finite at step " +
                           std::to_string(state_.step) + "; " + refused + " was written.",
                       log_->folder().path().string(), way_on());
  }
  return {};
}

/// Saves this step's state unless it stands already, the last steps were bad, or a weight is not
/// finite.
Status TrainingRun::checkpoint() {
  if (state_.step == saved_step_ || bad_steps_ > 0) return {};
  LUTHIER_CHECK(check_finite("no checkpoint"));
  const bool paused = log_->manifest().state == RunState::Paused;
  observer_.on_phase(TrainPhase::Saving, "");
  LUTHIER_CHECK(durably([this] { return save_checkpoint(); }));
  saved_step_ = state_.step;
  saved_at_ = seconds();
  rotation_due_ = true;
  happen("checkpoint", "step " + std::to_string(state_.step));
  observer_.on_phase(paused ? TrainPhase::Paused : TrainPhase::Training, "");
  return flush();
}

Status TrainingRun::save_result() {
  LUTHIER_CHECK(check_finite("no result"));
  const bool lora = trainables_.adapter != nullptr;
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(lora ? log_->folder().adapter_path()
                                                            : log_->folder().path() / "model",
                                                       FolderReplace::Whole));
  if (lora) {
    LUTHIER_CHECK(trainables_.adapter->save(writer.path(), recipe_.model));
    LUTHIER_CHECK(write_adapter_notes(writer.path(), base_.pixels));
  } else {
    LUTHIER_CHECK(save_model(base_, writer.path(), result_dtype(base_, recipe_)));
  }
  return writer.commit();
}

Error TrainingRun::out_of_memory() {
  optimizer_->clear_gradients();
  release_cached_memory(device_);
  const TrainingSettings& training = recipe_.training;
  std::string hint;
  if (!options_.gradient_checkpointing) hint = "Resume with training.gradient_checkpointing: true";
  if (training.per_device_train_batch_size > 1) {
    hint += (hint.empty() ? "Start" : ", or start") +
            std::string(" with training.per_device_train_batch_size: ") +
            std::to_string((training.per_device_train_batch_size + 1) / 2);
  } else {
    const std::int64_t shorter =
        training.max_length > 0 ? std::max<std::int64_t>(1, training.max_length / 2) : 1024;
    hint += (hint.empty() ? "Start" : ", or start") + std::string(" with training.max_length: ") +
            std::to_string(shorter);
  }
  return machine_error(
      "Memory ran out on " + device_.str() + " in step " + std::to_string(state_.step + 1) + ".",
      log_->folder().path().string(), hint + ".");
}

/// What ended with steps that are not finite has no result: such a step tells that the weights
/// before it are no good for these rows.
Error TrainingRun::ended_on_bad_steps() const {
  const bool all = bad_steps_ == state_.step;
  const std::string which =
      bad_steps_ == 1 ? (all ? "The only step" : "The last step")
                      : (all ? "All " : "The last ") + std::to_string(bad_steps_) + " steps";
  return input_error(which +
                         " of the run had a loss or a gradient that is not finite and changed no "
                         "weight; no result was written.",
                     log_->folder().path().string(), way_on());
}

/// A stop after steps that are not finite saves nothing, as no checkpoint does: the newest one
/// stands.
Result<RunResult> TrainingRun::end_stopped() {
  observer_.on_phase(TrainPhase::Stopping, "");
  const bool saves = control_.stop_kind() == TrainControl::Stop::Save && bad_steps_ == 0;
  if (saves) {
    LUTHIER_CHECK(checkpoint());
    if (trainables_.adapter) LUTHIER_CHECK(save_result());
  }
  happen("stopped", saves            ? "saved"
                    : bad_steps_ > 0 ? "not saved: the last steps were not finite"
                                     : "not saved");
  LUTHIER_CHECK(log_->flush());
  log_->manifest().seconds = seconds();
  LUTHIER_CHECK(log_->write_state(RunState::Stopped));
  return RunResult{
      log_->folder().path(), RunState::Stopped, state_.step, last_loss_, saves, seconds()};
}

Result<RunResult> TrainingRun::end_finished() {
  if (bad_steps_ > 0) {
    LUTHIER_CHECK(check_finite("no result"));  // the reason, where it is one
    return ended_on_bad_steps();
  }
  LUTHIER_CHECK(checkpoint());
  observer_.on_phase(TrainPhase::Saving, "");
  LUTHIER_CHECK(durably([this] { return save_result(); }));
  LUTHIER_CHECK(durably(
      [this] { return log_->folder().rotate(recipe_.training.save_total_limit, {saved_step_}); }));
  if (!state_.broken_rows.empty())
    happen("warning", std::to_string(state_.broken_rows.size()) + " of " +
                          std::to_string(rows_.rows.size()) +
                          " rows were left out, their pictures are broken.");
  happen("finished", "");
  LUTHIER_CHECK(flush());
  log_->manifest().seconds = seconds();
  LUTHIER_CHECK(durably([this] { return log_->write_state(RunState::Finished); }));
  return RunResult{
      log_->folder().path(), RunState::Finished, state_.step, last_loss_, true, seconds()};
}

Error TrainingRun::end_failed(Error error) {
  if (!log_) return error;
  happen("failed", error.sentence());
  log_->manifest().error = error.sentence();
  log_->manifest().seconds = seconds();
  if (const Status status = log_->flush(); !status) log_warning(status.error().sentence());
  const RunState state =
      error.code == ErrorCode::Interrupted ? RunState::Stopped : RunState::Failed;
  if (const Status status = log_->write_state(state); !status)
    log_warning(status.error().sentence());
  return error;
}

void TrainingRun::release() {
  observer_.on_adapter(nullptr);
  source_.reset();
  if (optimizer_) optimizer_->clear_gradients();
  base_.model->set_gradient_checkpointing(false);
  if (trainables_.adapter) trainables_.adapter->deactivate();
  for (torch::Tensor& tensor : base_.model->parameters()) tensor.requires_grad_(false);
  if (device_.is_cuda()) at::globalContext().setDeterministicAlgorithms(false, false);
}

}  // namespace luthier
