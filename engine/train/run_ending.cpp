// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints, results and the ways a run ends.
#include <cmath>

#include "engine/base/log.h"
#include "engine/device/lost_device.h"
#include "engine/methods/adapter_notes.h"
#include "engine/objectives/joint_model.h"
#include "engine/train/companion.h"
#include "engine/train/rollout_file.h"
#include "engine/train/run_ending.h"
#include "engine/train/shared_run.h"

namespace luthier {

Status RunEnding::save_checkpoint() {
  LUTHIER_TRY(FolderWriter writer, run_.log->folder().begin_checkpoint(run_.state.step));
  const AveragesShown shown(*run_.optimizer);
  run_.state.objective = run_.objective->state();
  LUTHIER_TRY(const std::vector<TensorToMake> state, optimizer_state(run_));
  LUTHIER_CHECK(
      write_checkpoint(writer.path(), run_.state, run_.trainables, state, run_.recipe.model));
  if (run_.plan.goes_on(run_.state.step)) {
    LUTHIER_TRY(const std::string lines,
                rollout_lines(*run_.runner->generations().current(), run_.state.step,
                              run_.base.processor->tokenizer()));
    LUTHIER_CHECK(write_file_atomically(writer.path() / kRolloutsFile, lines));
  }
  if (!run_.moving_reference.empty())
    LUTHIER_CHECK(write_reference(writer.path(), run_.moving_reference));
  if (run_.trainables.adapter)
    LUTHIER_CHECK(write_adapter_notes(writer.path() / "adapter", run_.base.pixels));
  LUTHIER_CHECK(writer.commit());
  run_.log->manifest().step = run_.state.step;
  run_.log->manifest().seconds = interference_.seconds();
  return run_.log->write_state(run_.log->manifest().state);
}

/// What to do after steps that are not finite. A resume would meet them again, and takes no other
/// settings.
std::string RunEnding::way_on() const {
  const std::string again =
      "Start a new run with a lower training.learning_rate, or without the rows that are named.";
  const std::vector<Checkpoint> checkpoints = run_.log->folder().checkpoints();
  if (checkpoints.empty() || !run_.trainables.adapter) return again;
  const std::string good = (checkpoints.back().path / "adapter").string();
  return again + " As adapter.init_from, " + good + " has the last good weights.";
}

/// An error where a trained weight is not finite: `refused` ("no checkpoint") is then not written.
Status RunEnding::check_finite(const std::string& refused) const {
  const torch::NoGradGuard no_grad;
  for (const TrainedTensor& trained : run_.trainables.tensors) {
    if (trained.tensor.numel() == 0 || std::isfinite(trained.tensor.abs().max().item<double>()))
      continue;
    return input_error("The weight " + trained.name + " is not finite at step " +
                           std::to_string(run_.state.step) + "; " + refused + " was written.",
                       run_.log->folder().path().string(), way_on());
  }
  return {};
}

/// Saves this step's state unless it stands already, the last steps were bad, or a weight is not
/// finite.
Status RunEnding::checkpoint() {
  if (run_.state.step == saved_step_ || run_.bad_steps > 0) return {};
  if (!run_.optimizer->is_whole()) {
    return machine_error("Step " + std::to_string(run_.state.step + 1) +
                             " broke off while weights were moving; no checkpoint was written.",
                         run_.log->folder().path().string(),
                         "Resume: the run goes on from its last checkpoint.");
  }
  LUTHIER_CHECK(check_finite("no checkpoint"));
  const bool paused = run_.log->manifest().state == RunState::Paused;
  run_.observer.on_phase(TrainPhase::Saving, "");
  LUTHIER_CHECK(interference_.with_room([this] { return save_checkpoint(); }));
  saved_step_ = run_.state.step;
  saved_at_ = interference_.seconds();
  rotation_due_ = true;
  run_.note("checkpoint", "step " + std::to_string(run_.state.step));
  run_.observer.on_phase(paused ? TrainPhase::Paused : TrainPhase::Training, "");
  return interference_.flush();
}

/// An error of the data in mid-run: what was learned until then is saved, so that the run can go on
/// once the data is repaired.
Error RunEnding::saved_before(Error error, bool of_ranks) {
  if (error.code == ErrorCode::Interrupted || run_.bad_steps > 0) return error;
  if (const Status saved = checkpoint(); !saved) {
    log_warning(saved.error().sentence());
    return error;
  }
  if (saved_step_ < 0) return error;  // nothing worth saving: its steps were not finite
  if (!error.hint.empty()) error.hint.push_back(' ');
  error.hint.append("The run is saved at step ").append(std::to_string(saved_step_));
  error.hint.append(of_ranks ? ": resume it with all ranks."
                             : ": resume it when the row is repaired, or with image.on_error: "
                               "skip.");
  return error;
}

Status RunEnding::save_result() {
  const AveragesShown shown(*run_.optimizer);
  LUTHIER_CHECK(check_finite("no result"));
  const bool lora = run_.trainables.adapter != nullptr;
  LUTHIER_TRY(auto masters, all_masters(run_));
  if (const auto* joint = dynamic_cast<const JointModel*>(run_.objective.get()))
    joint->make_masters(masters);
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(lora ? run_.log->folder().adapter_path()
                                                            : run_.log->folder().path() / "model",
                                                       FolderReplace::Whole));
  if (lora) {
    LUTHIER_CHECK(run_.trainables.adapter->save(writer.path(), run_.recipe.model, masters));
    LUTHIER_CHECK(write_adapter_notes(writer.path(), run_.base.pixels));
  } else {
    LUTHIER_CHECK(
        save_model(run_.base, writer.path(), result_dtype(run_.base, run_.recipe), masters));
  }
  LUTHIER_CHECK(writer.commit());
  if (!run_.trainables.companion) return {};
  return save_companion(run_.log->folder().path(), *run_.trainables.companion, run_.base,
                        run_.recipe, masters);
}

Error RunEnding::out_of_memory() {
  run_.optimizer->clear_gradients();
  const TrainingSettings& training = run_.recipe.training;
  std::string hint;
  if (!run_.options.gradient_checkpointing)
    hint = "Resume with training.gradient_checkpointing: true";
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
  return machine_error("Memory ran out on " + run_.device.str() + " in step " +
                           std::to_string(run_.state.step + 1) + ".",
                       run_.log->folder().path().string(), hint + ".");
}

Error RunEnding::device_lost(const std::string& why) {
  device_lost_ = true;
  if (!run_.log) return lost_device_error(run_.device, why, run_.recipe.model);
  const std::string folder = run_.log->folder().path().string();
  const std::vector<Checkpoint> checkpoints = run_.log->folder().checkpoints();
  const std::string saved =
      checkpoints.empty()
          ? "No checkpoint was written yet: start the program anew, and the run from its beginning."
          : "The checkpoint of step " + std::to_string(checkpoints.back().step) +
                " stands: start the program anew and resume " + folder + ".";
  return lost_device_error(run_.device, why, folder, saved);
}

/// What ended with steps that are not finite has no result: such a step tells that the weights
/// before it are no good for these rows.
Error RunEnding::ended_on_bad_steps() const {
  const bool all = run_.bad_steps == run_.state.step;
  const std::string which = run_.bad_steps == 1 ? (all ? "The only step" : "The last step")
                                                : (all ? "All " : "The last ") +
                                                      std::to_string(run_.bad_steps) + " steps";
  return input_error(which +
                         " of the run had a loss or a gradient that is not finite and changed no "
                         "weight; no result was written.",
                     run_.log->folder().path().string(), way_on());
}

/// A stop after steps that are not finite saves nothing, as no checkpoint does: the newest one
/// stands.
Result<RunResult> RunEnding::stopped() {
  run_.observer.on_phase(TrainPhase::Stopping, "");
  const bool saves = interference_.stop_kind() == TrainControl::Stop::Save && run_.bad_steps == 0;
  if (saves) {
    LUTHIER_CHECK(checkpoint());
    if (run_.trainables.adapter) LUTHIER_CHECK(save_result());
  }
  run_.note("stopped", saves                ? "saved"
                       : run_.bad_steps > 0 ? "not saved: the last steps were not finite"
                                            : "not saved");
  LUTHIER_CHECK(run_.log->flush());
  run_.log->manifest().seconds = interference_.seconds();
  LUTHIER_CHECK(run_.log->write_state(RunState::Stopped));
  return RunResult{
      run_.log->folder().path(), RunState::Stopped, run_.state.step, run_.last_loss, saves,
      interference_.seconds()};
}

Result<RunResult> RunEnding::finished() {
  if (run_.bad_steps > 0) {
    LUTHIER_CHECK(check_finite("no result"));  // the reason, where it is one
    return ended_on_bad_steps();
  }
  LUTHIER_CHECK(checkpoint());
  run_.observer.on_phase(TrainPhase::Saving, "");
  LUTHIER_CHECK(go_back_to_best());
  LUTHIER_CHECK(interference_.with_room([this] { return save_result(); }));
  LUTHIER_CHECK(interference_.with_room([this] { return rotate_at_end(); }));
  if (!run_.state.broken_rows.empty())
    run_.note("warning", std::to_string(run_.state.broken_rows.size()) + " of " +
                             std::to_string(run_.rows.rows.size()) +
                             " rows were left out, their pictures are broken.");
  run_.note("finished", "");
  LUTHIER_CHECK(interference_.flush());
  run_.log->manifest().seconds = interference_.seconds();
  LUTHIER_CHECK(
      interference_.with_room([this] { return run_.log->write_state(RunState::Finished); }));
  return RunResult{
      run_.log->folder().path(), RunState::Finished, run_.state.step, run_.last_loss, true,
      interference_.seconds()};
}

Error RunEnding::failed(Error error) {
  if (!run_.log) return error;
  run_.note("failed", error.sentence());
  run_.log->manifest().error = error.sentence();
  run_.log->manifest().seconds = interference_.seconds();
  if (const Status status = run_.log->flush(); !status) log_warning(status.error().sentence());
  // With a lost device only the program ended: the next start offers the run from its checkpoint.
  const bool goes_on = error.code == ErrorCode::Interrupted || device_lost_;
  const RunState state = goes_on ? RunState::Stopped : RunState::Failed;
  if (const Status status = run_.log->write_state(state); !status)
    log_warning(status.error().sentence());
  return error;
}

void RunEnding::release() {
  run_.observer.on_adapter(nullptr);
  run_.source.reset();
  if (run_.optimizer) run_.optimizer->clear_gradients();
  run_.base.model->set_gradient_checkpointing(false);
  if (run_.trainables.adapter) run_.trainables.adapter->deactivate();
  for (torch::Tensor& tensor : run_.base.model->parameters()) tensor.requires_grad_(false);
}

bool RunEnding::minutes_are_up() const {
  const double minutes = run_.recipe.training.save_minutes;
  return minutes > 0 && interference_.seconds() - saved_at_ >= 60 * minutes;
}

Status RunEnding::after_good_step() {
  if (!rotation_due_) return {};
  rotation_due_ = false;
  return interference_.with_room([this] {
    return run_.log->folder().rotate(run_.recipe.training.save_total_limit, kept_steps());
  });
}

/// As transformers' Trainer ends: where a single checkpoint is kept, it is that of the best.
Status RunEnding::rotate_at_end() const {
  const RunFolder& folder = run_.log->folder();
  const std::int64_t limit = run_.recipe.training.save_total_limit;
  LUTHIER_CHECK(folder.rotate(limit, kept_steps()));
  const std::int64_t best = run_.state.best.step;
  return limit == 1 && best > 0 ? folder.keep_alone(best) : Status();
}

std::set<std::int64_t> RunEnding::kept_steps() const {
  std::set<std::int64_t> steps{saved_step_};
  if (run_.state.best.step > 0) steps.insert(run_.state.best.step);
  return steps;
}

Status RunEnding::go_back_to_best() {
  const BestSoFar& best = run_.state.best;
  if (!run_.best_rules.loads || best.step == 0 || best.step == run_.state.step) return {};
  const std::filesystem::path folder = run_.log->folder().checkpoint_path(best.step);
  if (const Status whole = verify_folder(folder); !whole) {
    const std::string sentence = "The best checkpoint, of step " + std::to_string(best.step) +
                                 ", is not whole, so the result is the last step's. " +
                                 whole.error().sentence();
    log_warning(sentence);
    run_.note("warning", sentence);
    return {};
  }
  if (run_.shards) {  // the moments of all would not fit here, and are wanted no more
    LUTHIER_CHECK(read_weights(folder, run_.trainables));
    run_.masters_from = folder / "optimizer.safetensors";
  } else {
    LUTHIER_CHECK(go_back_to(folder, run_.trainables, *run_.optimizer));
  }
  run_.note("result", "The result is the checkpoint of step " + std::to_string(best.step) + ".");
  return {};
}

}  // namespace luthier
