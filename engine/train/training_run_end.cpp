// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints, results and the ways a run ends.
#include <cmath>

#include "engine/adapters/adapter_notes.h"
#include "engine/base/log.h"
#include "engine/train/training_run.h"

namespace luthier {

Status TrainingRun::save_checkpoint() {
  LUTHIER_TRY(FolderWriter writer, log_->folder().begin_checkpoint(state_.step));
  LUTHIER_CHECK(write_checkpoint(writer.path(), state_, trainables_, *optimizer_, recipe_.model));
  if (trainables_.adapter)
    LUTHIER_CHECK(write_adapter_notes(writer.path() / "adapter", base_.pixels));
  LUTHIER_CHECK(writer.commit());
  log_->manifest().step = state_.step;
  log_->manifest().seconds = seconds();
  return log_->write_state(log_->manifest().state);
}

/// Saves this step's state unless it stands already, the last steps were bad, or a weight is not finite.
Status TrainingRun::checkpoint() {
  if (state_.step == saved_step_ || bad_steps_ > 0) return {};
  {
    const torch::NoGradGuard no_grad;
    for (const TrainedTensor& trained : trainables_.tensors) {
      if (!std::isfinite(trained.tensor.abs().max().item<double>())) {
        return input_error("The weight " + trained.name + " is not finite at step " + std::to_string(state_.step) + "; no checkpoint was written.",
                           log_->folder().path().string(), "Lower training.learning_rate and resume from the last checkpoint.");
      }
    }
  }
  const bool paused = log_->manifest().state == RunState::Paused;
  observer_.on_phase(TrainPhase::Saving, "");
  LUTHIER_CHECK(durably([this] { return save_checkpoint(); }));
  saved_step_ = state_.step;
  rotation_due_ = true;
  happen("checkpoint", "step " + std::to_string(state_.step));
  observer_.on_phase(paused ? TrainPhase::Paused : TrainPhase::Training, "");
  return flush();
}

Status TrainingRun::save_result() {
  const bool lora = trainables_.adapter != nullptr;
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(lora ? log_->folder().adapter_path() : log_->folder().path() / "model", FolderReplace::Whole));
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
    hint += (hint.empty() ? "Start" : ", or start") + std::string(" with training.per_device_train_batch_size: ") +
            std::to_string((training.per_device_train_batch_size + 1) / 2);
  } else {
    hint += (hint.empty() ? "Start" : ", or start") + std::string(" with training.max_length: ") + std::to_string(std::max<std::int64_t>(1, training.max_length / 2));
  }
  return machine_error("Memory ran out on " + device_.str() + " in step " + std::to_string(state_.step + 1) + ".", log_->folder().path().string(), hint + ".");
}

Result<RunResult> TrainingRun::end_stopped() {
  observer_.on_phase(TrainPhase::Stopping, "");
  if (control_.stop_kind() == TrainControl::Stop::Save) {
    LUTHIER_CHECK(checkpoint());
    if (trainables_.adapter) LUTHIER_CHECK(save_result());
  }
  happen("stopped", control_.stop_kind() == TrainControl::Stop::Save ? "saved" : "not saved");
  LUTHIER_CHECK(log_->flush());
  log_->manifest().seconds = seconds();
  LUTHIER_CHECK(log_->write_state(RunState::Stopped));
  return RunResult{log_->folder().path(), RunState::Stopped, state_.step, last_loss_, seconds()};
}

Result<RunResult> TrainingRun::end_finished() {
  LUTHIER_CHECK(checkpoint());
  observer_.on_phase(TrainPhase::Saving, "");
  LUTHIER_CHECK(durably([this] { return save_result(); }));
  LUTHIER_CHECK(durably([this] { return log_->folder().rotate(recipe_.training.save_total_limit, {saved_step_}); }));
  happen("finished", "");
  LUTHIER_CHECK(flush());
  log_->manifest().seconds = seconds();
  LUTHIER_CHECK(durably([this] { return log_->write_state(RunState::Finished); }));
  return RunResult{log_->folder().path(), RunState::Finished, state_.step, last_loss_, seconds()};
}

Error TrainingRun::end_failed(Error error) {
  if (!log_) return error;
  happen("failed", error.sentence());
  log_->manifest().error = error.sentence();
  log_->manifest().seconds = seconds();
  if (const Status status = log_->flush(); !status) log_warning(status.error().sentence());
  const RunState state = error.code == ErrorCode::Interrupted ? RunState::Stopped : RunState::Failed;
  if (const Status status = log_->write_state(state); !status) log_warning(status.error().sentence());
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
