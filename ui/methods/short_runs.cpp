// SPDX-License-Identifier: GPL-3.0-or-later
// The order of events; see the header.
#include "ui/methods/short_runs.h"

#include <algorithm>

#include "ui/background.h"
#include "ui/format.h"
#include "ui/methods/method_model.h"

namespace luthier {

namespace {
constexpr int kBetweenMilliseconds = 150;
}

ShortRuns::ShortRuns(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace) {
  pause_.setSingleShot(true);
  pause_.setInterval(kBetweenMilliseconds);
  connect(&pause_, &QTimer::timeout, this, &ShortRuns::next);
  SessionBridge& bridge = workspace.bridge();
  connect(&bridge, &SessionBridge::state_changed, this, [this](SessionState state) {
    if (restore_ != Restore::No) {
      if (state == SessionState::Loading) restore_ = Restore::Loading;
      if (restore_ == Restore::Loading && can_launch(state)) finish();
    } else if (going_ && !launched_) {
      pause_.start();
    }
  });
  connect(&bridge, &SessionBridge::run_started, this, [this](const RunStarted& event) {
    if (!mine(event.folder)) return;
    result().state = run_state_name(RunState::Running);
    lines().steps_per_epoch = event.steps_per_epoch;
    emit changed();
  });
  connect(&bridge, &SessionBridge::step_done, this, [this](const StepDone& event) {
    if (!launched_ || result().state.empty()) return;
    lines().lines.push_back(event.line);
    measure(lines().lines, result());
    emit changed();
  });
  connect(&bridge, &SessionBridge::evaluation_done, this, [this](const EvaluationDone& event) {
    if (!launched_ || result().state.empty()) return;
    lines().evaluations[event.step] = event.eval_loss;
    emit changed();
  });
  connect(&bridge, &SessionBridge::run_ended, this, [this](const RunEnded& event) {
    if (mine(event.folder)) end_run(event.state, event.error);
  });
  connect(&bridge, &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (launched_ && event.command == "launch")
      end_run(run_state_name(RunState::Failed), event.error);
    if (restore_ != Restore::No && event.command == "load_model") finish();
  });
}

bool ShortRuns::mine(const std::filesystem::path& folder) const {
  return launched_ && folder.lexically_normal() ==
                          std::filesystem::path(planned_[at_].recipe.output_dir).lexically_normal();
}

void ShortRuns::start(std::vector<PlannedRun> runs, const std::string& like, bool four_bits) {
  if (going_ || runs.empty()) return;
  if (like != like_) {
    results_.clear();
    series_.clear();
  }
  like_ = like;
  four_bits_ = four_bits;
  planned_ = std::move(runs);
  for (const PlannedRun& run : planned_) {
    for (std::size_t i = results_.size(); i-- > 0;) {
      if (results_[i].method != run.method || results_[i].four_bits != run.four_bits) continue;
      results_.erase(results_.begin() + static_cast<std::ptrdiff_t>(i));
      series_.erase(series_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  first_ = results_.size();
  for (const PlannedRun& run : planned_) {
    ShortRun waits;
    waits.method = run.method;
    waits.four_bits = run.four_bits;
    results_.push_back(std::move(waits));
    series_.emplace_back();
  }
  at_ = 0;
  going_ = true;
  stopping_ = launched_ = false;
  retranslate();
  next();
}

void ShortRuns::stop() {
  if (!going_) return;
  stopping_ = true;
  const SessionState state = workspace_.state();
  if (launched_ && (can_stop(state) || state == SessionState::Loading))
    workspace_.session().stop(StopKind::Discard);
  else if (!launched_)
    next();
}

void ShortRuns::retranslate() {
  for (std::size_t i = 0; i < results_.size(); ++i)
    series_[i].name = method_label(results_[i].method, results_[i].four_bits);
  emit changed();
}

void ShortRuns::next() {
  if (!going_ || launched_ || restore_ != Restore::No || !can_launch(workspace_.state())) return;
  if (stopping_ || at_ >= planned_.size()) {
    restore();
    return;
  }
  launched_ = true;
  workspace_.session().launch(planned_[at_].recipe);
  emit changed();
}

void ShortRuns::end_run(const std::string& state, std::optional<Error> error) {
  const bool stopped = state == run_state_name(RunState::Stopped);
  result().state = state;
  result().error = std::move(error);
  launched_ = false;
  stopping_ = stopping_ || stopped;
  // Its file is measured beside: it may be large, and the next one need not wait.
  const PlannedRun run = planned_[at_];
  in_background_of(
      this, [run] { return read_short_run(run); },
      [this](const ShortRun& read) {
        for (ShortRun& shown : results_)
          if (shown.method == read.method && shown.four_bits == read.four_bits)
            shown.file = read.file;
        emit changed();
      });
  ++at_;
  emit changed();
  pause_.start();
}

void ShortRuns::restore() {
  const bool packed = at_ > 0 && planned_[at_ - 1].four_bits;
  if (packed == four_bits_ || at_ == 0 || !workspace_.model()) {
    finish();
    return;
  }
  restore_ = Restore::Asked;
  workspace_.load_model(path_text(workspace_.model()->summary.folder));
}

void ShortRuns::finish() {
  going_ = false;
  restore_ = Restore::No;
  // Those that were not reached are not shown as if they waited.
  results_.resize(first_ + at_);
  series_.resize(first_ + at_);
  emit changed();
  emit ended();
}

}  // namespace luthier
