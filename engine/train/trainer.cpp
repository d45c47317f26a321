// SPDX-License-Identifier: GPL-3.0-or-later
// The loop. Order of things in a step: window, norm, clip, AdamW with this step's rate, then the log; as the reference trainer has it.
#include "engine/train/trainer.h"

#include <chrono>
#include <cmath>
#include <thread>

#include "engine/base/log.h"
#include "engine/objectives/objective.h"
#include "engine/optim/schedule.h"
#include "engine/train/checkpoint.h"
#include "engine/train/memory.h"
#include "engine/train/row_check.h"
#include "engine/train/run_log.h"
#include "engine/train/step_runner.h"

namespace luthier {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int max_bad_steps = 3;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Run {
 public:
  Run(LoadedModel& base, BegunRun begun, const TrainerOptions& options, TrainControl& control, TrainObserver& observer)
      : base_(base), recipe_(std::move(begun.recipe)), begun_(std::move(begun.run)), options_(options), control_(control), observer_(observer),
        device_(base.model->device()) {}

  Result<RunResult> go();
  void release();

 private:
  Status prepare();
  Status prepare_data();
  Status prepare_folder();
  void announce_start();
  Result<RunResult> loop();
  Status step();
  Status after_step();
  Status bad_step(const Window& window, const std::vector<std::int64_t>& rows, const std::string& what);
  Status log_step(std::optional<double> eval_loss);
  Result<std::optional<double>> evaluate();
  Error out_of_memory();

  bool stopping() const { return control_.stop_kind() != TrainControl::Stop::None; }
  bool service();
  Status poll();
  Status durably(const std::function<Status()>& work);
  Status flush() { return durably([this] { return log_->flush(); }); }
  Status checkpoint();
  Status save_checkpoint();
  Status save_result();
  Result<RunResult> end_stopped();
  Result<RunResult> end_finished();
  Error end_failed(Error error);
  void happen(const std::string& kind, const std::string& detail);
  RunManifest describe() const;
  double base_rate() const { return state_.learning_rate.value_or(recipe_.training.learning_rate); }
  double seconds() const { return seconds_before_ + seconds_since(started_); }
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
  std::unique_ptr<AdamW> optimizer_;
  std::shared_ptr<RowCache> cache_;
  std::unique_ptr<StepRunner> runner_;
  std::unique_ptr<WindowSource> source_;
  std::unique_ptr<RunLog> log_;

  int bad_steps_ = 0;
  std::int64_t saved_step_ = -1;
  bool rotation_due_ = false;
  double last_loss_ = 0, idle_seconds_ = 0, seconds_before_ = 0, pace_ = 0;
  std::int64_t weights_ = 0, gradients_ = 0;
  MemoryUse measured_;
  Clock::time_point started_ = Clock::now();
};

Status Run::prepare_data() {
  reader_.processor = eval_reader_.processor = base_.processor;
  reader_.loss_on = eval_reader_.loss_on = loss_on_from_name(recipe_.training.loss_on);
  reader_.max_length = eval_reader_.max_length = recipe_.training.max_length;
  LUTHIER_TRY(reader_.dataset, Dataset::open({recipe_.dataset.begin(), recipe_.dataset.end()}));
  const auto progress = [this](std::size_t done, std::size_t total) {
    observer_.on_progress("Checking rows", static_cast<double>(done), static_cast<double>(total));
    return !stopping();
  };
  const bool resumes = begun_ && begun_->kind == PreparedRun::Kind::Resume;
  if (resumes) {
    rows_ = rows_without(reader_.dataset->size(), state_.skipped_rows);
  } else {
    LUTHIER_TRY(rows_, check_rows(reader_, recipe_.image.on_error, "dataset", progress));
    for (std::size_t i = 0; i < std::min<std::size_t>(rows_.warnings.size(), 10); ++i) log_warning(rows_.warnings[i]);
    if (rows_.warnings.size() > 10) log_warning(std::to_string(rows_.warnings.size() - 10) + " more findings; `luthier-cli data check` lists all.");
    state_.skipped_rows = rows_.skipped;
  }
  if (!recipe_.eval_dataset.empty() && recipe_.training.eval_steps > 0) {
    LUTHIER_TRY(eval_reader_.dataset, Dataset::open({recipe_.eval_dataset.begin(), recipe_.eval_dataset.end()}));
    LUTHIER_TRY(eval_rows_, check_rows(eval_reader_, recipe_.image.on_error, "eval_dataset", progress));
  }
  return {};
}

RunManifest Run::describe() const {
  RunManifest manifest;
  if (begun_ && begun_->recorded) manifest = *begun_->recorded;
  if (manifest.started.empty()) manifest.started = utc_now();
  manifest.device = device_.str();
  manifest.dtype = base_.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
  manifest.model = recipe_.model;
  manifest.base_name = base_.folder.filename().string();
  manifest.strategy = recipe_.strategy;
  manifest.objective = recipe_.objective;
  manifest.step = state_.step;
  manifest.total_steps = plan_.total_steps;
  manifest.trainable_parameters = trainables_.parameters();
  manifest.parameters = 0;
  for (const torch::Tensor& tensor : base_.model->parameters()) manifest.parameters += tensor.numel();
  manifest.error.clear();
  return manifest;
}

Status Run::prepare_folder() {
  RunManifest manifest = describe();
  LUTHIER_TRY(manifest.model_fingerprint, fingerprint_model(base_.folder));
  manifest.dataset_fingerprints = {reader_.dataset->fingerprint()};
  manifest.eval_dataset_fingerprints.clear();
  if (eval_reader_.dataset) manifest.eval_dataset_fingerprints = {eval_reader_.dataset->fingerprint()};
  if (begun_ && begun_->kind == PreparedRun::Kind::Resume && begun_->recorded) LUTHIER_CHECK(check_same_inputs(*begun_->recorded, manifest));
  if (!begun_) {
    LUTHIER_TRY(begun_, prepare_run(recipe_));
  }
  seconds_before_ = begun_->kind == PreparedRun::Kind::Resume ? manifest.seconds : 0;
  log_ = std::make_unique<RunLog>(begun_->folder, std::move(manifest));
  return log_->write_state(RunState::Running);
}

Status Run::prepare() {
  observer_.on_phase(TrainPhase::Preparing, "");
  for (const Objective& objective : objectives()) {
    if (recipe_.objective == objective.name) objective_ = &objective;
  }
  if (!objective_) return input_error("There is no objective '" + recipe_.objective + "'.", "objective");
  const bool resumes = begun_ && begun_->kind == PreparedRun::Kind::Resume;
  if (resumes) {
    LUTHIER_TRY(state_, read_trainer_state(begun_->checkpoint->path));
  }
  LUTHIER_CHECK(prepare_data());
  LUTHIER_TRY(plan_, plan_steps(static_cast<std::int64_t>(rows_.rows.size()), recipe_.training));
  if (resumes && state_.total_steps != plan_.total_steps) {
    return input_error("The checkpoint belongs to a run of " + std::to_string(state_.total_steps) + " steps, this one has " + std::to_string(plan_.total_steps) + ".",
                       begun_->checkpoint->path.string(), "The data or the settings changed; start a new run in another output_dir.");
  }
  state_.total_steps = plan_.total_steps;
  LUTHIER_TRY(schedule_, make_schedule(recipe_.training, plan_.total_steps));

  std::optional<fs::path> adapter;
  if (resumes && recipe_.strategy == "lora") adapter = begun_->checkpoint->path / "adapter";
  LUTHIER_TRY(trainables_, apply_strategy(base_, recipe_, adapter));
  const TrainingSettings& training = recipe_.training;
  optimizer_ = std::make_unique<AdamW>(trainables_.tensors, AdamWOptions{training.adam_beta1, training.adam_beta2, training.adam_epsilon, training.weight_decay});
  if (resumes) LUTHIER_CHECK(read_checkpoint(begun_->checkpoint->path, trainables_, *optimizer_));
  if (trainables_.tower_fixed) {
    const std::int64_t room = options_.max_cache_bytes >= 0 ? options_.max_cache_bytes
                                                            : std::min<std::int64_t>(1ll << 30, available_memory(torch::kCPU) / 8);
    cache_ = std::make_shared<RowCache>(room);
  }
  runner_ = std::make_unique<StepRunner>(base_, *objective_, trainables_, cache_);
  base_.model->set_gradient_checkpointing(options_.gradient_checkpointing);
  weights_ = weight_bytes(*base_.model);
  if (device_.is_cuda()) {
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  }
  if (stopping()) return interrupted_error();
  LUTHIER_CHECK(prepare_folder());
  saved_step_ = resumes ? state_.step : -1;
  source_ = std::make_unique<WindowSource>(reader_, rows_.rows, plan_, training.seed, training.shuffle, state_.step, cache_);
  return {};
}

void Run::happen(const std::string& kind, const std::string& detail) {
  const RunEvent event{state_.step, utc_now(), kind, detail};
  log_->event(event);
  observer_.on_event(event);
}

void Run::announce_start() {
  TrainStart start;
  start.folder = log_->folder().path();
  start.recipe = recipe_;
  start.total_steps = plan_.total_steps;
  start.first_step = state_.step;
  start.steps_per_epoch = static_cast<double>(plan_.steps_per_epoch);
  start.trainable = log_->manifest().trainable_parameters;
  start.parameters = log_->manifest().parameters;
  observer_.on_start(start);
  observer_.on_adapter(trainables_.adapter);
  happen(begun_->kind == PreparedRun::Kind::Resume ? "resumed" : "started", std::to_string(plan_.total_steps) + " steps, " + std::to_string(rows_.rows.size()) + " rows");
  if (!rows_.skipped.empty()) happen("warning", std::to_string(rows_.skipped.size()) + " rows with broken pictures are left out.");
}

/// Runs `work` that may meet a full disk. With somebody there, the run pauses with the reason and tries again when it is continued; else the error ends it.
Status Run::durably(const std::function<Status()>& work) {
  for (;;) {
    const Status status = work();
    if (status || !options_.interactive || status.error().code != ErrorCode::Machine) return status;
    const std::string reason = status.error().sentence();
    log_warning(reason);
    happen("paused", reason);
    observer_.on_phase(TrainPhase::Paused, reason);
    control_.pause();
    while (control_.paused() && !stopping()) {
      service();
      control_.wait();
    }
    if (stopping()) return status;
    happen("continued", "");
    observer_.on_phase(TrainPhase::Training, "");
  }
}

bool Run::service() {
  const Clock::time_point start = Clock::now();
  const bool used = observer_.between_steps();
  if (used && trainables_.adapter) trainables_.adapter->activate();
  if (used) base_.model->set_gradient_checkpointing(options_.gradient_checkpointing);
  idle_seconds_ += seconds_since(start);
  return used;
}

/// Between steps: what was asked for.
Status Run::poll() {
  service();
  if (const auto rate = control_.take_learning_rate()) {
    happen("learning_rate", "from " + Json(base_rate()).dump() + " to " + Json(*rate).dump());
    state_.learning_rate = *rate;
  }
  if (control_.take_save()) LUTHIER_CHECK(checkpoint());
  if (!control_.paused() || stopping()) return {};
  happen("paused", "by hand");
  LUTHIER_CHECK(flush());
  log_->manifest().seconds = seconds();
  LUTHIER_CHECK(durably([this] { return log_->write_state(RunState::Paused); }));
  observer_.on_phase(TrainPhase::Paused, "");
  const Clock::time_point start = Clock::now();
  while (control_.paused() && !stopping()) {
    service();
    if (control_.take_save()) LUTHIER_CHECK(checkpoint());
    if (const auto rate = control_.take_learning_rate()) {
      happen("learning_rate", "from " + Json(base_rate()).dump() + " to " + Json(*rate).dump());
      state_.learning_rate = *rate;
    }
    if (control_.paused() && !stopping()) control_.wait();
  }
  seconds_before_ -= seconds_since(start);
  if (stopping()) return {};
  happen("continued", "");
  observer_.on_phase(TrainPhase::Training, "");
  return durably([this] { return log_->write_state(RunState::Running); });
}

std::string Run::row_names(const std::vector<std::int64_t>& rows) const {
  std::string names;
  for (std::size_t i = 0; i < rows.size() && i < 8; ++i) names += (i ? ", " : "") + reader_.dataset->where(static_cast<std::size_t>(rows[i]));
  if (rows.size() > 8) names += " and " + std::to_string(rows.size() - 8) + " more";
  return names;
}

Status Run::bad_step(const Window& window, const std::vector<std::int64_t>& rows, const std::string& what) {
  std::vector<std::int64_t> named = rows;
  if (named.empty()) {
    for (const MicroBatch& batch : window.batches) named.insert(named.end(), batch.rows.begin(), batch.rows.end());
  }
  ++bad_steps_;
  const std::string sentence = "Step " + std::to_string(state_.step) + ": " + what + " is not finite, so no weight was changed (" + row_names(named) + ").";
  log_warning(sentence);
  happen("warning", sentence);
  LUTHIER_CHECK(flush());
  if (bad_steps_ < max_bad_steps) return {};
  return input_error(sentence + " It was the " + std::to_string(bad_steps_) + "rd such step in a row.", "training",
                     "Lower training.learning_rate, or look at these rows; resume from the last checkpoint.");
}

Status Run::step() {
  LUTHIER_TRY(const Window window, source_->next());
  reset_memory_peak(device_);
  idle_seconds_ = 0;
  const Clock::time_point start = Clock::now();
  const auto go_on = [this] {
    service();
    return !stopping();
  };
  const WindowOutcome outcome = runner_->accumulate(window, static_cast<std::uint64_t>(recipe_.training.seed), plan_.batches_before(state_.step), go_on);
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
  const double took = seconds_since(start) - idle_seconds_;
  pace_ = pace_ == 0 ? took : 0.9 * pace_ + 0.1 * took;
  if (!finite) return bad_step(window, outcome.suspects, outcome.finite ? "the gradient's norm" : "the loss");
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
    LUTHIER_CHECK(durably([this] { return log_->folder().rotate(recipe_.training.save_total_limit, {saved_step_}); }));
  }
  return {};
}

Status Run::log_step(std::optional<double> eval_loss) {
  if (state_.logged_steps == 0) return {};
  MetricsLine line;
  line.step = state_.step;
  line.epoch = plan_.window(state_.step - 1).epoch_after;
  line.loss = last_loss_ = state_.logged_loss / static_cast<double>(state_.logged_steps);
  line.grad_norm = state_.last_norm;
  line.learning_rate = state_.last_rate;
  line.tokens = state_.tokens;
  line.step_seconds = state_.logged_seconds / static_cast<double>(state_.logged_steps);
  line.tokens_per_second = state_.logged_seconds > 0 ? static_cast<double>(state_.logged_tokens) / state_.logged_seconds : 0;
  line.eval_loss = eval_loss;
  MetricsMemory& memory = line.memory;
  memory.weights = weights_;
  memory.adapter = trainables_.adapter ? trainables_.bytes() : 0;
  memory.gradients = gradients_;
  memory.optimizer = optimizer_->state_bytes();
  const std::int64_t kept = device_.is_cpu() && cache_ ? cache_->bytes() : 0;
  memory.activations = std::max<std::int64_t>(0, measured_.peak - memory.weights - memory.adapter - memory.gradients - memory.optimizer - kept);
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

Result<std::optional<double>> Run::evaluate() {
  const auto go_on = [this](std::size_t done, std::size_t total) {
    observer_.on_progress("Evaluating", static_cast<double>(done), static_cast<double>(total));
    service();
    return !stopping();
  };
  const auto loss = runner_->evaluate(eval_reader_, eval_rows_.rows, recipe_.training.per_device_train_batch_size, go_on);
  if (!loss && loss.error().code == ErrorCode::Interrupted) return std::optional<double>();
  if (!loss) return loss.error();
  if (!std::isfinite(*loss)) {
    happen("warning", "The evaluation loss is not finite.");
    return std::optional<double>();
  }
  state_.best_eval_loss = std::min(state_.best_eval_loss.value_or(*loss), *loss);
  observer_.on_evaluation(state_.step, *loss);
  return std::optional<double>(*loss);
}

Status Run::save_checkpoint() {
  LUTHIER_TRY(FolderWriter writer, log_->folder().begin_checkpoint(state_.step));
  LUTHIER_CHECK(write_checkpoint(writer.path(), state_, trainables_, *optimizer_, recipe_.model));
  LUTHIER_CHECK(writer.commit());
  log_->manifest().step = state_.step;
  log_->manifest().seconds = seconds();
  return log_->write_state(RunState::Running);
}

/// Saves this step's state unless it stands already, the last steps were bad, or a weight is not finite.
Status Run::checkpoint() {
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
  observer_.on_phase(TrainPhase::Saving, "");
  LUTHIER_CHECK(durably([this] { return save_checkpoint(); }));
  saved_step_ = state_.step;
  rotation_due_ = true;
  happen("checkpoint", "step " + std::to_string(state_.step));
  observer_.on_phase(TrainPhase::Training, "");
  return flush();
}

Status Run::save_result() {
  const bool lora = trainables_.adapter != nullptr;
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(lora ? log_->folder().adapter_path() : log_->folder().path() / "model", FolderReplace::Whole));
  if (lora) {
    LUTHIER_CHECK(trainables_.adapter->save(writer.path(), recipe_.model));
  } else {
    LUTHIER_CHECK(save_model(base_, writer.path(), result_dtype(base_, recipe_)));
  }
  return writer.commit();
}

Error Run::out_of_memory() {
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

Result<RunResult> Run::end_stopped() {
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

Result<RunResult> Run::end_finished() {
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

Error Run::end_failed(Error error) {
  if (!log_) return error;
  happen("failed", error.sentence());
  log_->manifest().error = error.sentence();
  log_->manifest().seconds = seconds();
  if (const Status status = log_->flush(); !status) log_warning(status.error().sentence());
  const RunState state = error.code == ErrorCode::Interrupted ? RunState::Stopped : RunState::Failed;
  if (const Status status = log_->write_state(state); !status) log_warning(status.error().sentence());
  return error;
}

Result<RunResult> Run::loop() {
  for (;;) {
    if (state_.unlogged) LUTHIER_CHECK(after_step());
    LUTHIER_CHECK(poll());
    if (stopping()) return end_stopped();
    if (state_.step == plan_.total_steps) return end_finished();
    LUTHIER_CHECK(step());
  }
}

/// Evaluation, log and checkpoint of the step just done. A stop during the evaluation leaves them to the resume.
Status Run::after_step() {
  const TrainingSettings& training = recipe_.training;
  const auto every = [this](std::int64_t steps) { return steps > 0 && state_.step % steps == 0; };
  const bool last = state_.step == plan_.total_steps;
  std::optional<double> eval_loss;
  if (eval_reader_.dataset && bad_steps_ == 0 && (every(training.eval_steps) || last)) {
    LUTHIER_TRY(eval_loss, evaluate());
    if (stopping()) return {};
  }
  if (every(training.logging_steps) || eval_loss || last) LUTHIER_CHECK(log_step(eval_loss));
  state_.unlogged = false;
  if (every(training.save_steps) && !last) return checkpoint();
  return {};
}

Result<RunResult> Run::go() {
  try {
    if (const Status status = prepare(); !status) return end_failed(status.error());
    announce_start();
    observer_.on_phase(TrainPhase::Training, "");
    started_ = Clock::now();
    auto result = loop();
    if (!result) return end_failed(result.error());
    return result;
  } catch (const std::exception& failure) {
    if (!is_out_of_memory(failure)) {
      const std::string text = failure.what();
      return end_failed(machine_error("Training stopped: " + text.substr(0, text.find('\n')), log_ ? log_->folder().path().string() : recipe_.model));
    }
    if (!log_) return machine_error("Memory ran out on " + device_.str() + " before the first step.", recipe_.model, "Use a smaller model, or lower adapter.r.");
  }
  const Error error = out_of_memory();
  try {
    if (const Status saved = checkpoint(); !saved) log_warning(saved.error().sentence());
  } catch (const std::exception&) {
    log_warning("There was not even memory for a checkpoint; the last one stands.");
  }
  return end_failed(error);
}

void Run::release() {
  observer_.on_adapter(nullptr);
  source_.reset();
  if (optimizer_) optimizer_->clear_gradients();
  base_.model->set_gradient_checkpointing(false);
  if (trainables_.adapter) trainables_.adapter->deactivate();
  for (torch::Tensor& tensor : base_.model->parameters()) tensor.requires_grad_(false);
  if (device_.is_cuda()) at::globalContext().setDeterministicAlgorithms(false, false);
}

}  // namespace

Result<RunResult> train(LoadedModel& base, BegunRun begun, const TrainerOptions& options, TrainControl& control, TrainObserver& observer) {
  Run run(base, std::move(begun), options, control, observer);
  auto result = run.go();
  run.release();
  return result;
}

}  // namespace luthier
