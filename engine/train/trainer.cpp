// SPDX-License-Identifier: GPL-3.0-or-later
// The loop. Order of things in a step: window, norm, clip, the optimizer with this step's rate,
// then the log; as the reference trainer has it.
#include "engine/train/trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/base/log.h"
#include "engine/optim/gradients.h"
#include "engine/train/training_run.h"

namespace luthier {

namespace {
constexpr int max_bad_steps = 3;
}

void TrainingRun::happen(const std::string& kind, const std::string& detail) {
  const RunEvent event{state_.step, utc_now(), kind, detail};
  log_->event(event);
  observer_.on_event(event);
}

/// Runs `work` that may meet a full disk. With somebody there, the run pauses with the reason and
/// tries again when it is continued; else the error ends it.
Status TrainingRun::durably(const std::function<Status()>& work) {
  for (;;) {
    const Status status = work();
    if (status || !options_.interactive || status.error().code != ErrorCode::Machine) return status;
    const std::string reason = status.error().sentence();
    const double start = now();
    log_warning(reason);
    happen("paused", reason);
    observer_.on_phase(TrainPhase::Paused, reason);
    control_.pause();
    while (control_.paused() && !stopping()) {
      service();
      control_.wait();
    }
    seconds_before_ -= now() - start;
    if (stopping()) return status;
    happen("continued", "");
    observer_.on_phase(TrainPhase::Training, "");
  }
}

bool TrainingRun::service() {
  const Clock::time_point start = Clock::now();
  const bool used = observer_.between_steps();
  if (used && trainables_.adapter) trainables_.adapter->activate();
  if (used) base_.model->set_gradient_checkpointing(options_.gradient_checkpointing);
  idle_seconds_ += seconds_since(start);
  return used;
}

/// Between steps: what was asked for.
Status TrainingRun::poll() {
  service();
  if (const auto rate = control_.take_learning_rate()) {
    happen("learning_rate", "from " + Json(base_rate()).dump() + " to " + Json(*rate).dump());
    state_.learning_rate = *rate;
  }
  if (control_.take_save()) LUTHIER_CHECK(checkpoint());
  if (!control_.paused() || stopping()) return {};
  const double start = now();
  happen("paused", "by hand");
  LUTHIER_CHECK(flush());
  log_->manifest().seconds = seconds();
  LUTHIER_CHECK(durably([this] { return log_->write_state(RunState::Paused); }));
  observer_.on_phase(TrainPhase::Paused, "");
  while (control_.paused() && !stopping()) {
    service();
    if (control_.take_save()) LUTHIER_CHECK(checkpoint());
    if (const auto rate = control_.take_learning_rate()) {
      happen("learning_rate", "from " + Json(base_rate()).dump() + " to " + Json(*rate).dump());
      state_.learning_rate = *rate;
    }
    if (control_.paused() && !stopping()) control_.wait();
  }
  seconds_before_ -= now() - start;
  if (stopping()) return {};
  happen("continued", "");
  observer_.on_phase(TrainPhase::Training, "");
  return durably([this] { return log_->write_state(RunState::Running); });
}

std::string TrainingRun::row_names(const std::vector<std::int64_t>& rows) const {
  std::string names;
  for (std::size_t i = 0; i < rows.size() && i < 8; ++i)
    names += (i ? ", " : "") + reader_.dataset->where(static_cast<std::size_t>(rows[i]));
  if (rows.size() > 8) names += " and " + std::to_string(rows.size() - 8) + " more";
  return names;
}

Status TrainingRun::bad_step(const Window& window, const std::vector<std::int64_t>& rows,
                             const std::string& what) {
  std::vector<std::int64_t> named = rows;
  if (named.empty()) {
    for (const MicroBatch& batch : window.batches)
      named.insert(named.end(), batch.rows.begin(), batch.rows.end());
  }
  ++bad_steps_;
  const std::string sentence = "Step " + std::to_string(state_.step) + ": " + what +
                               " is not finite, so no weight was changed (" + row_names(named) +
                               ").";
  log_warning(sentence);
  happen("warning", sentence);
  LUTHIER_CHECK(flush());
  if (bad_steps_ < max_bad_steps) return {};
  return input_error(
      sentence + " It was the " + std::to_string(bad_steps_) + "rd such step in a row.", "training",
      way_on());
}

/// Rows that this step met with a broken picture: kept in the state, so that a resume leaves the
/// same ones out.
Status TrainingRun::note_broken(const Window& window) {
  constexpr std::size_t kMostNamed = 20;
  for (const BrokenRow& broken : window.broken) {
    state_.broken_rows.push_back(broken.row);
    if (state_.broken_rows.size() > kMostNamed) continue;
    const std::string sentence = "A row is left out, its picture is broken: " + broken.sentence;
    log_warning(sentence);
    happen("warning", sentence);
  }
  if (state_.broken_rows.size() < rows_.rows.size()) return {};
  return input_error("No row is left to train on: the picture of each is broken.", "dataset",
                     "`luthier-cli data check` says what is wrong with each.");
}

/// An error of the data in mid-run: what was learned until then is saved, so that the run can go on
/// once the data is repaired.
Error TrainingRun::saved_before(Error error) {
  if (error.code == ErrorCode::Interrupted || bad_steps_ > 0) return error;
  if (const Status saved = checkpoint(); !saved) {
    log_warning(saved.error().sentence());
    return error;
  }
  if (saved_step_ < 0) return error;  // nothing worth saving: its steps were not finite
  if (!error.hint.empty()) error.hint.push_back(' ');
  error.hint.append("The run is saved at step ").append(std::to_string(saved_step_));
  error.hint.append(": resume it when the row is repaired, or with image.on_error: skip.");
  return error;
}

Status TrainingRun::step() {
  auto loaded = source_->next();
  if (!loaded) return saved_before(loaded.error());
  const Window window = loaded.take();
  reset_memory_peak(device_);
  idle_seconds_ = 0;
  const Clock::time_point start = Clock::now();
  const auto go_on = [this] {
    service();
    return !stopping();
  };
  const WindowOutcome outcome =
      runner_->accumulate(window, static_cast<std::uint64_t>(recipe_.training.seed),
                          plan_.batches_before(state_.step), go_on);
  if (outcome.abandoned) {
    optimizer_->clear_gradients();
    return {};
  }
  const double norm = outcome.finite ? gradient_norm(trainables_.tensors) : 0;
  gradients_ = optimizer_->gradient_bytes();
  const double rate = base_rate() * schedule_.factor(state_.step);
  state_.unlogged = true;
  const bool finite = outcome.finite && std::isfinite(norm);
  if (finite) {
    clip_gradients(trainables_.tensors, norm, recipe_.training.max_grad_norm);
    optimizer_->step(rate);
  }
  measured_ = memory_use(device_);
  optimizer_->clear_gradients();
  ++state_.step;
  state_.tokens += window.tokens;
  LUTHIER_CHECK(note_broken(window));
  const double took = seconds_since(start) - idle_seconds_;
  pace_ = pace_ == 0 ? took : 0.9 * pace_ + 0.1 * took;
  if (!finite)
    return bad_step(window, outcome.suspects, outcome.finite ? "the gradient's norm" : "the loss");
  if (window.tokens == 0) return {};  // every row of it was left out: neither good nor bad
  bad_steps_ = 0;
  state_.logged_loss += outcome.loss;
  state_.last_norm = norm;
  state_.last_rate = rate;
  state_.logged_steps += 1;
  state_.logged_tokens += window.tokens;
  state_.logged_seconds += took;
  if (rotation_due_) {
    // Only now, when a step on the newest checkpoint's weights came out finite, may older ones go.
    rotation_due_ = false;
    LUTHIER_CHECK(durably([this] {
      return log_->folder().rotate(recipe_.training.save_total_limit, {saved_step_});
    }));
  }
  return {};
}

Status TrainingRun::log_step(std::optional<double> eval_loss) {
  if (state_.logged_steps == 0) return {};
  MetricsLine line;
  line.step = state_.step;
  line.epoch = plan_.window(state_.step - 1).epoch_after;
  line.loss = state_.logged_loss / static_cast<double>(state_.logged_steps);
  last_loss_ = line.loss;
  line.grad_norm = state_.last_norm;
  line.learning_rate = state_.last_rate;
  line.tokens = state_.tokens;
  line.step_seconds = state_.logged_seconds / static_cast<double>(state_.logged_steps);
  line.tokens_per_second = state_.logged_seconds > 0
                               ? static_cast<double>(state_.logged_tokens) / state_.logged_seconds
                               : 0;
  line.eval_loss = eval_loss;
  MetricsMemory& memory = line.memory;
  memory.weights = weights_;
  memory.adapter = trainables_.adapter ? trainables_.bytes() : 0;
  memory.gradients = gradients_;
  memory.optimizer = optimizer_->state_bytes();
  memory.activations = std::max<std::int64_t>(
      0, measured_.peak - memory.weights - memory.adapter - memory.gradients - memory.optimizer);
  memory.allocated = measured_.allocated;
  memory.reserved = measured_.reserved;
  memory.peak = measured_.peak;
  memory.rss = measured_.rss;
  state_.logged_loss = state_.logged_seconds = 0;
  state_.logged_steps = state_.logged_tokens = 0;
  log_->metrics(line);
  RunManifest& manifest = log_->manifest();
  manifest.step = state_.step;
  manifest.last_loss = line.loss;
  manifest.best_eval_loss = state_.best_eval_loss;
  manifest.peak_memory = std::max(manifest.peak_memory, memory.peak);
  manifest.seconds = seconds();
  observer_.on_step(line, pace_ * static_cast<double>(plan_.total_steps - state_.step));
  return flush();
}

Result<std::optional<double>> TrainingRun::evaluate() {
  const auto go_on = [this](std::size_t done, std::size_t total) {
    observer_.on_progress("Evaluating", static_cast<double>(done), static_cast<double>(total));
    service();
    return !stopping();
  };
  std::vector<BrokenRow> broken;
  const auto loss = runner_->evaluate(eval_reader_, eval_rows_.rows,
                                      recipe_.training.per_device_train_batch_size, go_on, &broken);
  if (!loss && loss.error().code == ErrorCode::Interrupted) return std::optional<double>();
  if (!loss) return saved_before(loss.error());
  if (!broken.empty() && !eval_broken_said_) {
    eval_broken_said_ = true;
    happen("warning", std::to_string(broken.size()) +
                          " rows are left out of the evaluation, their pictures are broken: " +
                          broken.front().sentence);
  }
  if (!std::isfinite(*loss)) {
    const std::string sentence =
        "Step " + std::to_string(state_.step) +
        ": the evaluation loss is not finite and is left out of the metrics.";
    log_warning(sentence);
    happen("warning", sentence);
    return std::optional<double>();
  }
  state_.best_eval_loss = std::min(state_.best_eval_loss.value_or(*loss), *loss);
  observer_.on_evaluation(state_.step, *loss);
  return std::optional<double>(*loss);
}

Result<RunResult> TrainingRun::loop() {
  for (;;) {
    if (state_.unlogged) LUTHIER_CHECK(after_step());
    LUTHIER_CHECK(poll());
    if (stopping()) return end_stopped();
    if (state_.step == plan_.total_steps) return end_finished();
    LUTHIER_CHECK(step());
  }
}

/// Evaluation, log and checkpoint of the step just done. A stop during the evaluation leaves them
/// to the resume. The clock decides nothing here but whether a checkpoint is written: without
/// eval_steps the evaluation comes with save_steps, never with save_minutes, so that metrics stay
/// the same.
Status TrainingRun::after_step() {
  const TrainingSettings& training = recipe_.training;
  const auto every = [this](std::int64_t steps) { return steps > 0 && state_.step % steps == 0; };
  const bool last = state_.step == plan_.total_steps;
  const std::int64_t eval_steps =
      training.eval_steps > 0 ? training.eval_steps : training.save_steps;
  std::optional<double> eval_loss;
  if (eval_reader_.dataset && bad_steps_ == 0 && (every(eval_steps) || last)) {
    LUTHIER_TRY(eval_loss, evaluate());
    if (stopping()) return {};
  }
  if (every(training.logging_steps) || eval_loss || last) LUTHIER_CHECK(log_step(eval_loss));
  state_.unlogged = false;
  if ((every(training.save_steps) || minutes_are_up()) && !last) return checkpoint();
  return {};
}

Result<RunResult> TrainingRun::go() {
  try {
    if (const Status status = prepare(); !status) return end_failed(status.error());
    announce_start();
    observer_.on_phase(TrainPhase::Training, "");
    started_ = now();
    saved_at_ = seconds();
    auto result = loop();
    if (!result) return end_failed(result.error());
    return result;
  } catch (const std::exception& failure) {
    if (!is_out_of_memory(failure)) {
      const std::string text = failure.what();
      return end_failed(machine_error("Training stopped: " + text.substr(0, text.find('\n')),
                                      log_ ? log_->folder().path().string() : recipe_.model));
    }
    if (!log_)
      return machine_error("Memory ran out on " + device_.str() + " before the first step.",
                           recipe_.model, "Use a smaller model, or lower adapter.r.");
  }
  const Error error = out_of_memory();
  try {
    if (const Status saved = checkpoint(); !saved) log_warning(saved.error().sentence());
  } catch (const std::exception&) {
    log_warning("There was not even memory for a checkpoint; the last one stands.");
  }
  return end_failed(error);
}

Result<RunResult> train(LoadedModel& base, BegunRun begun, const TrainerOptions& options,
                        TrainControl& control, TrainObserver& observer) {
  if (auto before = begun.ended_before()) return *std::move(before);
  TrainingRun run(base, std::move(begun), options, control, observer);
  auto result = run.go();
  run.release();
  return result;
}

}  // namespace luthier
