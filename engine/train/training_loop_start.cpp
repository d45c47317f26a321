// SPDX-License-Identifier: GPL-3.0-or-later
// What is said when the first step begins.
#include <algorithm>

#include "engine/base/log.h"
#include "engine/device/device_facts.h"
#include "engine/device/graph.h"
#include "engine/device/processor.h"
#include "engine/runs/resume_device.h"
#include "engine/train/training_loop.h"

namespace luthier {

void TrainingLoop::announce() {
  TrainStart start;
  start.folder = run_.log->folder().path();
  start.recipe = run_.recipe;
  start.total_steps = run_.plan.total_steps;
  start.first_step = run_.state.step;
  start.steps_per_epoch = static_cast<double>(run_.plan.steps_per_epoch);
  start.trainable = run_.log->manifest().trainable_parameters;
  start.parameters = run_.log->manifest().parameters;
  start.learning_rate = run_.base_rate();
  run_.observer.on_start(start);
  run_.observer.on_adapter(run_.trainables.adapter);
  const std::string evaluated =
      run_.eval_reader.dataset
          ? ", " + std::to_string(run_.eval_rows.rows.size()) + " rows to evaluate on"
          : "";
  run_.note(run_.resumes() ? "resumed" : "started",
            std::to_string(run_.plan.total_steps) + " steps, " +
                std::to_string(run_.rows.rows.size()) + " rows" + evaluated);
  announce_edits();
  announce_device();
  if (!run_.rows.skipped.empty())
    run_.note("warning", std::to_string(run_.rows.skipped.size()) +
                             " rows with broken pictures are left out.");
  announce_evaluation_rows();
  if (run_.ranks && run_.objective->window_rule() == WindowRule::Whole) {
    const std::string sentence =
        "The rows of a window go through the model at once, and so all of them through rank 0's: "
        "contrastive.gradient_cache shares them among the ranks.";
    log_warning(sentence);
    run_.note("warning", sentence);
  }
  if (never_moves()) {
    const std::string sentence =
        std::string("The learning rate is 0 in every step of this run, so no weight will change") +
        (run_.base_rate() > 0 ? ": the warmup takes all of it." : ".");
    log_warning(sentence);
    run_.note("warning", sentence);
  }
}

/// Of a run that begins where one was that had no checkpoint: what becomes of that one's changes by
/// hand.
void TrainingLoop::announce_edits() {
  if (run_.resumes()) return;
  const auto kept = std::count_if(run_.edits.begin(), run_.edits.end(),
                                  [](const auto& each) { return each.event.has_value(); });
  std::string sentence;
  if (kept > 0)
    sentence =
        "There was no checkpoint, so the run begins at step 0; changes by hand that are made "
        "again at their steps: " +
        std::to_string(kept) + ".";
  else if (run_.begun->forgotten_edits > 0)
    sentence =
        "The run that was here before had no checkpoint and is replaced; changes by hand in "
        "it that are not made again: " +
        std::to_string(run_.begun->forgotten_edits) + ".";
  if (sentence.empty()) return;
  log_warning(sentence);
  run_.note("warning", sentence);
}

/// How the run came to its device, and what that changes of it.
void TrainingLoop::announce_device() {
  const TrainingSettings& training = run_.recipe.training;
  // The log has it since the choice was made, but for what is only proposed.
  const DeviceNote chosen = device_note(training.device, training.dtype);
  if (!chosen.text.empty()) run_.note(chosen.warns ? "warning" : "device", chosen.text);
  if (run_.device.is_cpu()) {
    const std::string proposal = type_proposal(training.dtype, narrow_products());
    if (!proposal.empty()) log_info(proposal);
  }
  std::vector<std::string> warnings{run_.exact.note()};
  if (run_.resumes() && run_.begun->recorded) {
    for (std::string& each : resume_changes(*run_.begun->recorded, run_.log->manifest()))
      warnings.push_back(std::move(each));
    if (run_.recordable)
      warnings.push_back(recording_change(*run_.begun->recorded, graphs_asked_for()));
  }
  for (const std::string& sentence : warnings) {
    if (sentence.empty()) continue;
    log_warning(sentence);
    run_.note("warning", sentence);
  }
}

/// What evaluation will pass over or cut. These rows are checked again on a resume, so it is said
/// again.
void TrainingLoop::announce_evaluation_rows() {
  constexpr std::size_t kMost = 10;
  const std::vector<std::string>& found = run_.eval_rows.warnings;
  const auto say = [this](const std::string& sentence) {
    log_warning(sentence);
    run_.note("warning", sentence);
  };
  for (std::size_t i = 0; i < std::min(found.size(), kMost); ++i) say("eval_dataset: " + found[i]);
  if (found.size() > kMost) {
    say("eval_dataset: " + std::to_string(found.size() - kMost) + " more findings.");
  }
  if (!run_.eval_rows.skipped.empty()) {
    const std::size_t count = run_.eval_rows.skipped.size();
    say("eval_dataset: " + std::to_string(count) +
        (count == 1 ? " row with a broken picture is left out."
                    : " rows with broken pictures are left out."));
  }
}

/// Whether every step that is left has a rate of 0: a warmup as long as the run, say.
bool TrainingLoop::never_moves() const {
  if (run_.base_rate() == 0) return true;
  for (std::int64_t done = run_.state.step; done < run_.plan.total_steps; ++done) {
    if (run_.schedule.factor(done) > 0) return false;
  }
  return run_.state.step < run_.plan.total_steps;
}

}  // namespace luthier
