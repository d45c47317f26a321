// SPDX-License-Identifier: GPL-3.0-or-later
// What a run is watched by: the probe of what was known before, samples that are answered as it
// goes, which evaluation is the best, and alarms. None of it changes what the steps compute.
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/base/log.h"
#include "engine/config/watch_fields.h"
#include "engine/data/sample_log.h"
#include "engine/io/files.h"
#include "engine/train/training_loop.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kProbePrefix = "probe/";
/// The probe's figure that forgetting is the fall of: every answer has it, right or wrong.
constexpr const char* kProbeMeasure = "token_f1";

std::string four_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

std::map<std::string, double> TrainingLoop::Evaluated::named() const {
  std::map<std::string, double> all;
  if (loss) all["eval_loss"] = *loss;
  for (const auto& [name, value] : figures) all["eval_" + name] = value;
  return all;
}

/// Before the first step of a run, and of a resume: the alarms know what the run knew, and what is
/// compared with the start is asked at the start.
Status TrainingLoop::begin_watch() {
  if (run_.resumes())
    for (const MetricsLine& line : run_.log->folder().read_metrics())
      if (line.step <= run_.state.step) run_.alarms.look(line);
  if (run_.state.step > 0 || interference_.stopping()) return {};
  if (run_.state.probe.empty()) {
    std::map<std::string, double> scores;
    LUTHIER_TRY(const bool whole, take_scores(interference_.score_probe(), true, scores));
    if (!whole) return {};
    run_.state.probe = std::move(scores);
    const auto measure = run_.state.probe.find(kProbeMeasure);
    if (measure != run_.state.probe.end())
      run_.note("forgetting", "The probe's " + std::string(kProbeMeasure) + " is " +
                                  four_digits(measure->second) + " before the first step.");
  }
  std::error_code ignored;
  const fs::path file = run_.log->folder().path() / kSamplesFile;
  const bool answered = fs::exists(file, ignored) && fs::file_size(file, ignored) > 0;
  if (answered) return {};
  const Result<bool> samples = answer_samples();
  return samples ? Status() : Status(samples.error());
}

Result<bool> TrainingLoop::take_scores(const Result<std::map<std::string, double>>& scores,
                                       bool probe, std::map<std::string, double>& figures) {
  if (!scores && scores.error().code == ErrorCode::Interrupted) return false;
  if (!scores) {
    const std::string sentence =
        "Step " + std::to_string(run_.state.step) +
        (probe ? ": the probe was not answered: " : ": held-out rows were not answered: ") +
        scores.error().sentence();
    log_warning(sentence);
    run_.note("warning", sentence);
    unanswered_ = true;
    return true;
  }
  for (const auto& [name, value] : *scores) figures[name] = value;
  return true;
}

/// Its figures, and by how much its measure fell since the first step.
Status TrainingLoop::score_probe(Evaluated& evaluated) {
  std::map<std::string, double> scores;
  LUTHIER_TRY(const bool whole, take_scores(interference_.score_probe(), true, scores));
  if (!whole) return {};
  for (const auto& [name, value] : scores) evaluated.figures[kProbePrefix + name] = value;
  const auto now = scores.find(kProbeMeasure);
  const auto before = run_.state.probe.find(kProbeMeasure);
  if (now != scores.end() && before != run_.state.probe.end())
    evaluated.figures[kProbePrefix + std::string("forgetting")] = before->second - now->second;
  return {};
}

/// All answers of a step go into the file at once, so that none is there twice after a resume.
/// False: somebody stopped it, and nothing was written.
Result<bool> TrainingLoop::answer_samples() {
  std::error_code ignored;
  const fs::path file = run_.log->folder().path() / kSamplesFile;
  const bool first = !fs::exists(file, ignored) || fs::file_size(file, ignored) == 0;
  const auto lines = interference_.answer_samples(first);
  if (!lines && lines.error().code == ErrorCode::Interrupted) return false;
  if (!lines) {
    const std::string sentence = "Step " + std::to_string(run_.state.step) +
                                 ": the samples were not answered: " + lines.error().sentence();
    log_warning(sentence);
    run_.note("warning", sentence);
    return true;
  }
  if (lines->empty()) return true;
  LUTHIER_CHECK(interference_.with_room(
      [&] { return append_line(file, std::string_view(*lines).substr(0, lines->size() - 1)); }));
  return true;
}

/// As transformers' Trainer does after an evaluation; where early stopping ends the run, that is
/// said.
Status TrainingLoop::judge(const Evaluated& evaluated) {
  new_best_ = false;
  if (!evaluated.any() || !seeks_best(run_.recipe)) return {};
  const auto found = metric_among(evaluated.named(), run_.best_rules);
  double value = found ? *found : std::numeric_limits<double>::quiet_NaN();
  if (!found) {
    if (unanswered_) return {};  // what was not measured is no worse, and that is said
    // The evaluation's loss was left out: it was no number, which is no better than any.
    if (evaluated.loss || !run_.eval_reader.dataset) {
      Error error = found.error();
      error.hint += " Start a new run in another output_dir.";
      return error;
    }
  }
  new_best_ = take_metric(run_.state.best, run_.best_rules, run_.state.step, value);
  if (new_best_)
    run_.note("best", run_.best_rules.metric + " " + four_digits(value) + " is the best so far.");
  if (stops_early(run_.state.best, run_.best_rules))
    run_.note("early_stop", run_.best_rules.metric + " was not better in " +
                                std::to_string(run_.state.best.waited) +
                                " evaluations; the best was " +
                                four_digits(run_.state.best.metric.value_or(value)) + " at step " +
                                std::to_string(run_.state.best.step) + ".");
  return {};
}

void TrainingLoop::look_for_alarms(const MetricsLine& line) {
  run_.alarms.set_max_grad_norm(run_.setting("max_grad_norm"));
  for (const Alarm& alarm : run_.alarms.look(line)) {
    log_warning(alarm.sentence);
    run_.note("alarm", alarm.sentence);
  }
}

}  // namespace luthier
