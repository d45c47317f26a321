// SPDX-License-Identifier: GPL-3.0-or-later
// Order of things in a step: window, norm, clip, the optimizer with this step's rate, then the log;
// as the reference trainer has it.
#include "engine/train/training_loop.h"

#include <algorithm>
#include <cmath>

#include "engine/base/log.h"
#include "engine/train/rollout_file.h"
#include "engine/train/shared_run.h"
#include "engine/train/step_move.h"

namespace luthier {

namespace {
constexpr int kMaxBadSteps = 3;
}

std::string TrainingLoop::row_names(const std::vector<std::int64_t>& rows) const {
  std::string names;
  for (std::size_t i = 0; i < rows.size() && i < 8; ++i)
    names += (i ? ", " : "") + run_.reader.dataset->where(static_cast<std::size_t>(rows[i]));
  if (rows.size() > 8) names += " and " + std::to_string(rows.size() - 8) + " more";
  return names;
}

Status TrainingLoop::bad_step(const Window& window, const std::vector<std::int64_t>& rows,
                              const std::string& what) {
  std::vector<std::int64_t> named = rows;
  if (named.empty()) {
    for (const MicroBatch& batch : window.batches)
      named.insert(named.end(), batch.rows.begin(), batch.rows.end());
  }
  ++run_.bad_steps;
  const std::string sentence = "Step " + std::to_string(run_.state.step) + ": " + what +
                               " is not finite, so no weight was changed (" + row_names(named) +
                               ").";
  log_warning(sentence);
  run_.note("alarm", sentence);
  LUTHIER_CHECK(interference_.flush());
  if (run_.bad_steps < kMaxBadSteps) return {};
  return input_error(
      sentence + " It was the " + std::to_string(run_.bad_steps) + "rd such step in a row.",
      "training", ending_.way_on());
}

/// Rows that this step met with a broken picture: kept in the state, so that a resume leaves the
/// same ones out.
Status TrainingLoop::note_broken(const Window& window) {
  constexpr std::size_t kMostNamed = 20;
  std::vector<std::int64_t>& known = run_.state.broken_rows;
  for (const BrokenRow& broken : window.broken) {
    // Another rank may have met it before.
    if (run_.ranks && std::find(known.begin(), known.end(), broken.row) != known.end()) continue;
    run_.state.broken_rows.push_back(broken.row);
    if (run_.state.broken_rows.size() > kMostNamed) continue;
    const std::string sentence = "A row is left out, its picture is broken: " + broken.sentence;
    log_warning(sentence);
    run_.note("warning", sentence);
  }
  if (run_.state.broken_rows.size() < run_.rows.rows.size()) return {};
  return input_error("No row is left to train on: the picture of each is broken.", "dataset",
                     "`luthier-cli data check` says what is wrong with each.");
}

/// Samples that this step has drawn, into the run's folder.
Status TrainingLoop::keep_drawn() {
  for (const auto& begun : run_.runner->generations().begun()) {
    if (!begun->drawn) continue;
    LUTHIER_TRY(const std::string lines,
                rollout_lines(*begun, run_.state.step + 1, run_.base.processor->tokenizer()));
    LUTHIER_CHECK(
        interference_.with_room([&] { return append_rollouts(run_.log->folder().path(), lines); }));
  }
  return {};
}

Status TrainingLoop::step() {
  auto loaded = run_.source->next();
  if (!loaded) return ending_.saved_before(loaded.error());
  Window window = loaded.take();
  const double rate = run_.base_rate() * run_.schedule.factor(run_.state.step);
  if (run_.ranks)
    LUTHIER_CHECK(run_.ranks->order(step_order({rate, run_.setting("max_grad_norm")})));
  run_.trainables.begin_step(run_.state.step);
  reset_memory_peak(run_.device);
  interference_.take_idle_seconds();
  const Clock::time_point start = Clock::now();
  const auto go_on = [this] {
    interference_.serve_host();
    return !interference_.stopping();
  };
  auto accumulated =
      run_.runner->accumulate(window, static_cast<std::uint64_t>(run_.recipe.training.seed),
                              run_.plan.batches_before(run_.state.step), go_on);
  if (!accumulated && run_.ranks) {
    run_.optimizer->clear_gradients();  // of a part of the window
    return ending_.saved_before(accumulated.error(), /*of_ranks=*/true);
  }
  LUTHIER_TRY(const WindowOutcome outcome, std::move(accumulated));
  if (outcome.abandoned) {
    run_.optimizer->clear_gradients();
    if (outcome.stops) interference_.stop();
    return {};
  }
  LUTHIER_CHECK(keep_drawn());
  const std::int64_t tokens = outcome.tokens;
  run_.state.unlogged = true;
  LUTHIER_TRY(const StepMoved moved, move_by(run_, outcome, rate, run_.setting("max_grad_norm")));
  const bool finite = moved.finite;
  gradients_ = moved.gradients;
  measured_ = moved.measured;
  run_.state.tokens += tokens;
  LUTHIER_CHECK(note_broken(window));
  const double took = seconds_since(start) - interference_.take_idle_seconds();
  pace_ = pace_ == 0 ? took : 0.9 * pace_ + 0.1 * took;
  if (!finite)
    return bad_step(window, outcome.suspects, outcome.finite ? "the gradient's norm" : "the loss");
  if (tokens == 0) return {};  // every row of it was left out: neither good nor bad
  run_.bad_steps = 0;
  run_.state.logged_loss += outcome.loss;
  run_.state.logged_figures.add(outcome.figures);
  run_.state.last_norm = outcome.norm;
  run_.state.last_rate = rate;
  run_.state.logged_steps += 1;
  run_.state.logged_tokens += tokens;
  run_.state.logged_seconds += took;
  return ending_.after_good_step();
}

Status TrainingLoop::log_step(const Evaluated& evaluated) {
  if (run_.state.logged_steps == 0) return {};
  MetricsLine line;
  line.step = run_.state.step;
  line.epoch = run_.plan.window(run_.state.step - 1).epoch_after;
  line.loss = run_.state.logged_loss / static_cast<double>(run_.state.logged_steps);
  run_.last_loss = line.loss;
  line.grad_norm = run_.state.last_norm;
  line.learning_rate = run_.state.last_rate;
  line.tokens = run_.state.tokens;
  line.step_seconds = run_.state.logged_seconds / static_cast<double>(run_.state.logged_steps);
  line.tokens_per_second =
      run_.state.logged_seconds > 0
          ? static_cast<double>(run_.state.logged_tokens) / run_.state.logged_seconds
          : 0;
  line.figures = run_.state.logged_figures.means();
  line.eval_loss = evaluated.loss;
  for (const auto& [name, value] : evaluated.figures) line.figures["eval_" + name] = value;
  MetricsMemory& memory = line.memory;
  memory.weights = weights_;
  memory.adapter = run_.trainables.adapter_bytes();
  memory.gradients = gradients_;
  memory.optimizer = run_.optimizer->state_bytes();
  memory.activations = std::max<std::int64_t>(
      0, measured_.peak - memory.weights - memory.adapter - memory.gradients - memory.optimizer);
  memory.allocated = measured_.allocated;
  memory.reserved = measured_.reserved;
  memory.peak = measured_.peak;
  memory.rss = measured_.rss;
  run_.state.logged_loss = run_.state.logged_seconds = 0;
  run_.state.logged_steps = run_.state.logged_tokens = 0;
  run_.state.logged_figures = {};
  run_.log->metrics(line);
  RunManifest& manifest = run_.log->manifest();
  manifest.step = run_.state.step;
  manifest.last_loss = line.loss;
  manifest.best_eval_loss = run_.state.best_eval_loss;
  manifest.peak_memory = std::max(manifest.peak_memory, memory.peak);
  manifest.seconds = interference_.seconds();
  run_.observer.on_step(line, pace_ * static_cast<double>(run_.plan.total_steps - run_.state.step));
  look_for_alarms(line);
  return interference_.flush();
}

Status TrainingLoop::evaluate(Evaluated& into) {
  const auto go_on = [this](std::size_t done, std::size_t total) {
    run_.observer.on_progress("Evaluating", static_cast<double>(done), static_cast<double>(total));
    interference_.serve_host();
    return !interference_.stopping();
  };
  std::vector<BrokenRow> broken;
  if (run_.ranks) LUTHIER_CHECK(run_.ranks->order(evaluation_order()));
  const AveragesShown shown(*run_.optimizer);
  auto evaluated = run_.runner->evaluate(
      run_.eval_reader, run_.eval_rows.rows, rows_evaluated(*run_.objective, run_.recipe.training),
      static_cast<std::uint64_t>(run_.recipe.training.seed), go_on, &broken);
  if (!evaluated && evaluated.error().code == ErrorCode::Interrupted) return {};
  if (!evaluated) return ending_.saved_before(evaluated.error(), run_.ranks != nullptr);
  const double loss = evaluated->loss;
  if (!broken.empty() && !eval_broken_said_) {
    eval_broken_said_ = true;
    run_.note("warning", std::to_string(broken.size()) +
                             " rows are left out of the evaluation, their pictures are broken: " +
                             broken.front().sentence);
  }
  if (!std::isfinite(loss)) {
    const std::string sentence =
        "Step " + std::to_string(run_.state.step) +
        ": the evaluation loss is not finite and is left out of the metrics.";
    log_warning(sentence);
    run_.note("warning", sentence);
    return {};
  }
  LUTHIER_TRY(const bool whole,
              take_scores(interference_.score_held_out(), false, evaluated->figures));
  if (!whole) return {};
  into.loss = loss;
  into.figures = std::move(evaluated->figures);
  run_.state.best_eval_loss = std::min(run_.state.best_eval_loss.value_or(loss), loss);
  run_.observer.on_evaluation(run_.state.step, loss);
  return {};
}

/// Evaluation, samples, log and checkpoint of the step just done. A stop before the log leaves them
/// to the resume. The clock decides nothing here but whether a checkpoint is written: without
/// eval_steps the evaluation comes with save_steps, never with save_minutes, so that metrics stay
/// the same.
Status TrainingLoop::after_step() {
  const TrainingSettings& training = run_.recipe.training;
  const auto every = [this](std::int64_t steps) {
    return steps > 0 && run_.state.step % steps == 0;
  };
  const bool last = run_.state.step == run_.plan.total_steps;
  const std::int64_t eval_steps =
      training.eval_steps > 0 ? training.eval_steps : training.save_steps;
  Evaluated evaluated;
  unanswered_ = false;
  if (run_.bad_steps == 0 && (every(eval_steps) || last)) {
    if (run_.eval_reader.dataset) LUTHIER_CHECK(evaluate(evaluated));
    if (interference_.stopping()) return {};
    LUTHIER_CHECK(score_probe(evaluated));
    if (interference_.stopping()) return {};
  }
  const std::int64_t samples = run_.recipe.more.integer("samples.every");
  if (run_.bad_steps == 0 && samples > 0 && (every(samples) || last)) {
    LUTHIER_TRY(const bool answered, answer_samples());
    if (!answered) return {};
  }
  LUTHIER_CHECK(judge(evaluated));
  const auto logging = static_cast<std::int64_t>(run_.setting("logging_steps"));
  if (every(logging) || evaluated.any() || last) LUTHIER_CHECK(log_step(evaluated));
  run_.state.unlogged = false;
  const bool saves = every(training.save_steps) || ending_.minutes_are_up() ||
                     (new_best_ && run_.best_rules.loads);
  if (saves && !last) return ending_.checkpoint();
  return {};
}

Result<RunResult> TrainingLoop::run() {
  LUTHIER_CHECK(begin_watch());
  for (;;) {
    if (run_.state.unlogged) LUTHIER_CHECK(after_step());
    LUTHIER_CHECK(interference_.between_steps([this] { return ending_.checkpoint(); }));
    if (interference_.stopping()) return ending_.stopped();
    if (run_.state.step == run_.plan.total_steps || stops_early(run_.state.best, run_.best_rules))
      return ending_.finished();
    LUTHIER_CHECK(step());
  }
}

}  // namespace luthier
