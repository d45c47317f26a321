// SPDX-License-Identifier: GPL-3.0-or-later
// Before the first step: data, plan, what trains, the folder. A run that cannot start leaves
// nothing behind.
#include <algorithm>

#include "engine/base/log.h"
#include "engine/methods/method.h"
#include "engine/models/packing.h"
#include "engine/optim/optimizers.h"
#include "engine/train/training_run.h"

namespace luthier {

namespace fs = std::filesystem;

Status TrainingRun::prepare_data() {
  reader_.processor = eval_reader_.processor = base_.processor;
  reader_.loss_on = eval_reader_.loss_on = loss_on_from_name(recipe_.training.loss_on);
  reader_.max_length = eval_reader_.max_length = recipe_.training.max_length;
  reader_.skip_broken = eval_reader_.skip_broken = recipe_.image.on_error == "skip";
  LUTHIER_TRY(reader_.dataset, Dataset::open({recipe_.dataset.begin(), recipe_.dataset.end()},
                                             recipe_.image_folder));
  const auto progress = [this](std::size_t done, std::size_t total) {
    observer_.on_progress("Checking rows", static_cast<double>(done), static_cast<double>(total));
    return !stopping();
  };
  const bool resumes = begun_ && begun_->kind == PreparedRun::Kind::Resume;
  if (resumes) {
    rows_ = rows_without(reader_.dataset->size(), state_.skipped_rows);
  } else {
    LUTHIER_TRY(rows_, check_rows(reader_, recipe_.image.on_error, "dataset", progress));
    for (std::size_t i = 0; i < std::min<std::size_t>(rows_.warnings.size(), 10); ++i)
      log_warning(rows_.warnings[i]);
    if (rows_.warnings.size() > 10)
      log_warning(std::to_string(rows_.warnings.size() - 10) +
                  " more findings; `luthier-cli data check` lists all.");
    state_.skipped_rows = rows_.skipped;
  }
  if (!recipe_.eval_dataset.empty()) {
    LUTHIER_TRY(eval_reader_.dataset,
                Dataset::open({recipe_.eval_dataset.begin(), recipe_.eval_dataset.end()},
                              recipe_.image_folder));
    LUTHIER_TRY(eval_rows_,
                check_rows(eval_reader_, recipe_.image.on_error, "eval_dataset", progress));
    if (eval_rows_.rows.empty()) {
      return input_error("There is no usable row to evaluate on.", "eval_dataset",
                         "Name a file with usable rows, or leave eval_dataset out.");
    }
  }
  return {};
}

RunManifest TrainingRun::describe() const {
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
  manifest.parameters = parameter_count(*base_.model);
  manifest.error.clear();
  return manifest;
}

Status TrainingRun::prepare_folder() {
  RunManifest manifest = describe();
  LUTHIER_TRY(manifest.model_fingerprint, fingerprint_model(base_.folder));
  manifest.dataset_fingerprints = {reader_.dataset->fingerprint()};
  manifest.eval_dataset_fingerprints.clear();
  if (eval_reader_.dataset)
    manifest.eval_dataset_fingerprints = {eval_reader_.dataset->fingerprint()};
  if (begun_ && begun_->kind == PreparedRun::Kind::Resume && begun_->recorded)
    LUTHIER_CHECK(check_same_inputs(*begun_->recorded, manifest));
  if (!begun_) {
    LUTHIER_TRY(begun_, prepare_run(recipe_));
  }
  const bool resumes = begun_->kind == PreparedRun::Kind::Resume;
  seconds_before_ = resumes ? manifest.seconds : 0;
  if (resumes) last_loss_ = manifest.last_loss;
  log_ = std::make_unique<RunLog>(begun_->folder, std::move(manifest));
  return log_->write_state(RunState::Running);
}

Status TrainingRun::prepare() {
  observer_.on_phase(TrainPhase::Preparing, "");
  for (const Objective& objective : objectives()) {
    if (recipe_.objective == objective.name) objective_ = &objective;
  }
  if (!objective_)
    return input_error("There is no objective '" + recipe_.objective + "'.", "objective");
  const bool resumes = begun_ && begun_->kind == PreparedRun::Kind::Resume;
  if (resumes) {
    LUTHIER_TRY(state_, read_trainer_state(begun_->checkpoint->path));
  }
  LUTHIER_CHECK(prepare_data());
  LUTHIER_TRY(plan_, plan_steps(static_cast<std::int64_t>(rows_.rows.size()), recipe_.training));
  if (resumes && state_.total_steps != plan_.total_steps) {
    return input_error("The checkpoint belongs to a run of " + std::to_string(state_.total_steps) +
                           " steps, this one has " + std::to_string(plan_.total_steps) + ".",
                       begun_->checkpoint->path.string(),
                       "The data or the settings changed; start a new run in another output_dir.");
  }
  state_.total_steps = plan_.total_steps;
  LUTHIER_TRY(schedule_, make_schedule(recipe_.training, plan_.total_steps));

  std::optional<fs::path> adapter;
  LUTHIER_TRY(const Method* method, find_method(recipe_.strategy));
  if (resumes && method->hangs_adapter()) adapter = begun_->checkpoint->path / "adapter";
  LUTHIER_TRY(trainables_, apply_strategy(base_, recipe_, adapter));
  const TrainingSettings& training = recipe_.training;
  optimizer_ = make_optimizer(trainables_.tensors, recipe_);
  if (resumes) LUTHIER_CHECK(read_checkpoint(begun_->checkpoint->path, trainables_, *optimizer_));
  if (trainables_.tower_fixed) {
    const std::int64_t room = options_.max_cache_bytes >= 0
                                  ? options_.max_cache_bytes
                                  : most_kept_features(available_memory(torch::kCPU));
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
  source_ =
      std::make_unique<WindowSource>(reader_, rows_.rows, plan_, training.seed, training.shuffle,
                                     state_.step, cache_, state_.broken_rows);
  return {};
}

void TrainingRun::announce_start() {
  TrainStart start;
  start.folder = log_->folder().path();
  start.recipe = recipe_;
  start.total_steps = plan_.total_steps;
  start.first_step = state_.step;
  start.steps_per_epoch = static_cast<double>(plan_.steps_per_epoch);
  start.trainable = log_->manifest().trainable_parameters;
  start.parameters = log_->manifest().parameters;
  start.learning_rate = base_rate();
  observer_.on_start(start);
  observer_.on_adapter(trainables_.adapter);
  const std::string evaluated =
      eval_reader_.dataset ? ", " + std::to_string(eval_rows_.rows.size()) + " rows to evaluate on"
                           : "";
  happen(begun_->kind == PreparedRun::Kind::Resume ? "resumed" : "started",
         std::to_string(plan_.total_steps) + " steps, " + std::to_string(rows_.rows.size()) +
             " rows" + evaluated);
  if (!rows_.skipped.empty())
    happen("warning",
           std::to_string(rows_.skipped.size()) + " rows with broken pictures are left out.");
  announce_evaluation_rows();
  if (never_moves()) {
    const std::string sentence =
        std::string("The learning rate is 0 in every step of this run, so no weight will change") +
        (base_rate() > 0 ? ": the warmup takes all of it." : ".");
    log_warning(sentence);
    happen("warning", sentence);
  }
}

/// What evaluation will pass over or cut. These rows are checked again on a resume, so it is said
/// again.
void TrainingRun::announce_evaluation_rows() {
  constexpr std::size_t most = 10;
  const std::vector<std::string>& found = eval_rows_.warnings;
  const auto say = [this](const std::string& sentence) {
    log_warning(sentence);
    happen("warning", sentence);
  };
  for (std::size_t i = 0; i < std::min(found.size(), most); ++i) say("eval_dataset: " + found[i]);
  if (found.size() > most) {
    say("eval_dataset: " + std::to_string(found.size() - most) + " more findings.");
  }
  if (!eval_rows_.skipped.empty()) {
    const std::size_t count = eval_rows_.skipped.size();
    say("eval_dataset: " + std::to_string(count) +
        (count == 1 ? " row with a broken picture is left out."
                    : " rows with broken pictures are left out."));
  }
}

/// Whether every step that is left has a rate of 0: a warmup as long as the run, say.
bool TrainingRun::never_moves() const {
  if (base_rate() == 0) return true;
  for (std::int64_t done = state_.step; done < plan_.total_steps; ++done) {
    if (schedule_.factor(done) > 0) return false;
  }
  return state_.step < plan_.total_steps;
}

}  // namespace luthier
