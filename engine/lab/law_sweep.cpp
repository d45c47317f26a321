// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/law_sweep.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "engine/io/files.h"
#include "engine/lab/sweep_files.h"
#include "engine/runs/run_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kEvaluations = 4;

double flops_of(const SweepRun& run) {
  return kTrainFlops * static_cast<double>(run.size.weights()) * static_cast<double>(run.tokens);
}

Status check_sweep(const LawSweepOptions& o) {
  const auto fault = [](const char* what, const char* where, const char* hint) {
    return input_error(what, where, hint);
  };
  if (std::set<std::int64_t>(o.widths.begin(), o.widths.end()).size() < 3 ||
      std::set<std::int64_t>(o.tokens.begin(), o.tokens.end()).size() < 3)
    return fault("A law needs three sizes and three numbers of tokens at least.", "sizes, tokens",
                 "Write --sizes 16,24,32,48 --tokens 64K,128K,256K,512K.");
  for (const std::int64_t width : o.widths)
    if (width < 8 || width > 1024 || width % 8 != 0)
      return fault("A size is a width from 8 to 1024 in steps of 8.", "sizes",
                   "Write 16,24,32,48.");
  if (o.next_width != 0 && (o.next_width < 8 || o.next_width > 1024 || o.next_width % 8 != 0))
    return fault("The next size is a width from 8 to 1024 in steps of 8.", "next size",
                 "Write 64.");
  if (o.rows_a_step < 1 || o.rows_a_step > 4096)
    return fault("A step has from 1 to 4,096 rows.", "rows a step", "Write 4.");
  const std::int64_t least = o.rows_a_step * LawText::kRowWords * kEvaluations;
  for (const std::int64_t tokens : o.tokens)
    if (tokens < least || tokens > 100'000'000'000)
      return input_error("A run learns from " + std::to_string(least) +
                             " tokens (so many evaluations' steps) to 1e11.",
                         "tokens", "Write 64K,128K,256K,512K.");
  if (o.next_tokens != 0 && (o.next_tokens < least || o.next_tokens > 100'000'000'000))
    return fault("The next size learns from too few tokens, or too many.", "next tokens", "");
  if (!(o.minutes > 0) || !(o.learning_rate > 0) || o.learning_rate > 1)
    return fault("Minutes and the learning rate are above 0, the rate at most 1.", "sweep", "");
  return {};
}

/// Whole parts between evaluations, so that the last step has one.
std::int64_t steps_of(std::int64_t tokens, const LawSweepOptions& o) {
  return tokens / (o.rows_a_step * LawText::kRowWords * kEvaluations) * kEvaluations;
}

SweepRun sweep_run(std::int64_t width, std::int64_t tokens, const LawSweepOptions& o) {
  SweepRun run;
  run.size = sweep_size(width);
  run.tokens = steps_of(tokens, o) * o.rows_a_step * LawText::kRowWords;
  run.name = run.size.name() + "-t" + std::to_string(tokens);
  return run;
}

/// What stands in the run's folder.
void read_run(const fs::path& folder, SweepRun& run, std::int64_t tokens_a_step) {
  run.points.clear();
  run.loss.reset();
  run.state.clear();
  const auto opened = RunFolder::open(folder);
  if (!opened) return;
  if (const auto summary = summarize_run(folder)) {
    run.state = run_state_name(summary->manifest.state);
    run.seconds = summary->manifest.seconds;
  }
  for (const MetricsLine& line : opened->read_metrics()) {
    if (!line.eval_loss || !std::isfinite(*line.eval_loss)) continue;
    run.points.push_back({static_cast<double>(run.size.weights()),
                          static_cast<double>(line.step * tokens_a_step), *line.eval_loss, run.name,
                          false});
  }
  if (run.state != run_state_name(RunState::Finished) || run.points.empty()) return;
  run.points.back().last = true;
  run.loss = run.points.back().loss;
}

Result<Recipe> recipe_of(const fs::path& folder, const SweepRun& run, const LawSweepOptions& o) {
  LUTHIER_TRY(Recipe recipe, parse_recipe("", "sweep"));
  recipe.model = (folder / "models" / run.size.name()).string();
  recipe.init = "random";
  const std::int64_t steps = run.tokens / (o.rows_a_step * LawText::kRowWords);
  recipe.dataset = sweep_rows(folder, steps * o.rows_a_step);
  recipe.eval_dataset = {(folder / "language" / "eval.jsonl").string()};
  recipe.output_dir = (folder / "runs" / run.name).string();
  LUTHIER_CHECK(set_field(recipe, "objective", "infilling"));
  LUTHIER_CHECK(set_field(recipe, "infilling.fim_rate", "0"));
  LUTHIER_CHECK(set_field(recipe, "strategy", "full"));
  TrainingSettings& training = recipe.training;
  training.dtype = "float32";
  training.max_steps = steps;
  training.per_device_train_batch_size = o.rows_a_step;
  training.gradient_accumulation_steps = 1;
  training.learning_rate = o.learning_rate * std::sqrt(32.0 / static_cast<double>(run.size.width));
  training.lr_scheduler_type = "cosine";
  training.warmup_ratio = 0.05;
  training.weight_decay = 0;
  training.adam_beta2 = 0.98;
  training.gradient_checkpointing = "false";
  training.max_length = LawText::kRowWords + 1;
  training.shuffle = false;
  training.seed = static_cast<std::int64_t>(o.seed);
  training.logging_steps = std::max<std::int64_t>(1, steps / 40);
  training.eval_steps = steps / kEvaluations;
  training.save_steps = 0;
  training.save_minutes = 2;
  training.save_total_limit = 1;
  LUTHIER_CHECK(check_recipe(recipe));
  return recipe;
}

/// Seconds that a run will take by the nearest size that was made: for each token as long, and for
/// a larger size by the root of how much larger it is, since small models wait for their steps more
/// than for their products. 0: nobody knows.
double foreseen_seconds(const SweepRun& run, const std::vector<SweepRun>& runs) {
  const SweepRun* nearest = nullptr;
  for (const SweepRun& made : runs) {
    if (!made.loss || !(made.seconds > 0)) continue;
    const auto distance = [&](const SweepRun& each) {
      return std::abs(std::log(static_cast<double>(each.size.weights())) -
                      std::log(static_cast<double>(run.size.weights())));
    };
    const bool nearer = !nearest || distance(made) < distance(*nearest) ||
                        (distance(made) == distance(*nearest) && made.tokens > nearest->tokens);
    if (nearer) nearest = &made;
  }
  if (!nearest) return 0;
  const double size =
      static_cast<double>(run.size.weights()) / static_cast<double>(nearest->size.weights());
  return nearest->seconds * static_cast<double>(run.tokens) / static_cast<double>(nearest->tokens) *
         std::sqrt(std::max(1.0, size));
}

class SweepCourse {
 public:
  SweepCourse(const fs::path& folder, const LawSweepOptions& options, const SweepHost& host)
      : folder_(folder), options_(options), host_(host) {}

  Result<LawSweep> go() {
    LUTHIER_CHECK(check_sweep(options_));
    LUTHIER_CHECK(begin_sweep_folder(folder_, options_));
    LUTHIER_TRY(sweep_.floor, write_sweep_eval(folder_, options_.seed));
    std::vector<std::int64_t> widths = options_.widths, tokens = options_.tokens;
    for (auto* list : {&widths, &tokens}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    for (const std::int64_t width : widths)
      for (const std::int64_t each : tokens)
        sweep_.runs.push_back(sweep_run(width, each, options_));
    std::stable_sort(sweep_.runs.begin(), sweep_.runs.end(),
                     [](const auto& a, const auto& b) { return flops_of(a) < flops_of(b); });
    const std::int64_t next_width =
        options_.next_width ? options_.next_width : next_on_ladder(widths);
    SweepRun next = sweep_run(
        next_width, options_.next_tokens ? options_.next_tokens : tokens.back(), options_);
    for (SweepRun& run : sweep_.runs) read(run);
    read(next);
    for (SweepRun& run : sweep_.runs) {
      // What the grid takes leaves room for the size that is held against its forecast, up to half
      // of the minutes: the first runs know little of it.
      const double reserved = std::min(foreseen_seconds(next, sweep_.runs), 30 * options_.minutes);
      if (!run.loss && !has_time(run, next.loss ? 0 : reserved)) {
        sweep_.left_out.push_back(run.name);
        continue;
      }
      LUTHIER_CHECK(make(run));
      LUTHIER_CHECK(write());
    }
    LUTHIER_CHECK(fit());
    LUTHIER_CHECK(hold(next));
    LUTHIER_CHECK(write());
    return sweep_;
  }

 private:
  static std::int64_t next_on_ladder(const std::vector<std::int64_t>& widths) {
    // As much wider as the last step was.
    const double factor =
        static_cast<double>(widths.back()) / static_cast<double>(widths[widths.size() - 2]);
    const double next = static_cast<double>(widths.back()) * factor;
    return std::min<std::int64_t>(1024, (static_cast<std::int64_t>(next) + 7) / 8 * 8);
  }

  void tell(const std::string& text) const {
    if (host_.tell) host_.tell(text);
  }
  void read(SweepRun& run) const {
    read_run(folder_ / "runs" / run.name, run, options_.rows_a_step * LawText::kRowWords);
  }
  double seconds_gone() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  bool has_time(const SweepRun& run, double reserved) const {
    const double foreseen = foreseen_seconds(run, sweep_.runs);
    return seconds_gone() + std::max(0.0, foreseen - run.seconds) + reserved <=
           60 * options_.minutes;
  }

  /// Trains what is not finished, and reads what it came to.
  Status make(SweepRun& run) {
    if (run.loss) return {};
    if (host_.go_on && !host_.go_on()) return interrupted_error(kInterrupted);
    tell(run.name + ": " + std::to_string(run.size.weights()) + " weights, " +
         std::to_string(run.tokens) + " tokens");
    LUTHIER_CHECK(write_sweep_model(folder_, run.size, options_.seed));
    const std::int64_t rows = run.tokens / LawText::kRowWords;
    LUTHIER_CHECK(write_sweep_rows(folder_, options_.seed, rows, host_.go_on));
    LUTHIER_TRY(const Recipe recipe, recipe_of(folder_, run, options_));
    std::error_code failed;
    const fs::path place = recipe.output_dir;
    const bool there = fs::exists(place / "run.json", failed);
    const auto result = host_.train(recipe, there ? std::optional<fs::path>(place) : std::nullopt);
    read(run);
    if (!result) return result.error();
    if (result->state != RunState::Finished) {
      LUTHIER_CHECK(write());
      return interrupted_error(kInterrupted);
    }
    if (!run.loss)
      return input_error("The run has ended without a loss on the held-out rows.", place.string(),
                         "Remove the run's folder, and sweep again at a lower learning rate.");
    tell("  loss " + std::to_string(*run.loss));
    return {};
  }

  Status fit() {
    LawFitOptions options = options_.fit;
    options.go_on = host_.go_on;
    const std::vector<LossPoint> points = sweep_.points();
    sweep_.whole = fit_loss_law(points, options);
    sweep_.envelope = fit_envelope(points, options);
    sweep_.parabolas = fit_parabolas(points, options);
    if (host_.go_on && !host_.go_on()) return interrupted_error(kInterrupted);
    return {};
  }

  /// The forecast stands before its run begins.
  Status hold(SweepRun& next) {
    if (!sweep_.whole || !sweep_.whole->ok()) return {};
    const LawFit& fit = **sweep_.whole;
    if (!fit.falls()) {
      // Beyond the points such a law says anything at all.
      tell(next.name + ": no forecast, since the losses do not fall with weights and with tokens");
      sweep_.next.reset();
      return {};
    }
    const auto weights = static_cast<double>(next.size.weights());
    const auto tokens = static_cast<double>(next.tokens);
    HeldForecast held;
    held.forecast = fit.law.loss(weights, tokens);
    held.interval = fit.of([&](const LossLaw& law) { return law.loss(weights, tokens); });
    held.run = next;
    sweep_.next = held;
    LUTHIER_CHECK(write());
    tell("forecast for " + next.name + ": " + std::to_string(held.forecast));
    if (!next.loss && !has_time(next, 0)) {
      sweep_.left_out.push_back(next.name);
      return {};
    }
    LUTHIER_CHECK(make(next));
    sweep_.next->run = next;
    if (held.interval.known && next.loss)
      sweep_.next->within = *next.loss >= held.interval.low && *next.loss <= held.interval.high;
    return {};
  }

  Status write() {
    sweep_.minutes = 0;
    for (const SweepRun& run : sweep_.runs) sweep_.minutes += run.seconds / 60;
    if (sweep_.next) sweep_.minutes += sweep_.next->run.seconds / 60;
    return write_sweep(folder_, sweep_, options_);
  }

  static constexpr const char* kInterrupted =
      "Interrupted; saved. The same command goes on from here.";

  const fs::path folder_;
  const LawSweepOptions options_;
  const SweepHost& host_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  LawSweep sweep_;
};

}  // namespace

std::int64_t SweepSize::weights() const {
  const std::int64_t layer = 4 * width * width + 3 * width * intermediate + 2 * width;
  return LawText::kVocabulary * width + layers * layer + width;
}

std::string SweepSize::name() const { return "w" + std::to_string(width); }

SweepSize sweep_size(std::int64_t width) {
  SweepSize size;
  size.width = width;
  size.layers = std::clamp<std::int64_t>((width + 8) / 16, 1, 12);
  size.heads = width / 8;  // with one alone a layer sees one of the words before it
  size.intermediate = (width * 8 / 3 + 7) / 8 * 8;
  return size;
}

std::vector<LossPoint> LawSweep::points() const {
  std::vector<LossPoint> points;
  for (const SweepRun& run : runs)
    if (run.loss) points.insert(points.end(), run.points.begin(), run.points.end());
  return points;
}

Result<LawSweep> run_law_sweep(const fs::path& folder, const LawSweepOptions& options,
                               const SweepHost& host) {
  return SweepCourse(folder, options, host).go();
}

}  // namespace luthier
