// SPDX-License-Identifier: GPL-3.0-or-later
// The order of events; see the header.
#include "ui/methods/short_runs.h"

#include <algorithm>

#include "ui/background.h"
#include "ui/format.h"
#include "ui/methods/method_model.h"
#include "ui/run_queue.h"

namespace luthier {

namespace {
constexpr int kLookForTurn = 150;  // milliseconds
const QString kShortRuns = QStringLiteral("methods");
}  // namespace

ShortRuns::ShortRuns(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace), queue_(workspace.queue()) {
  look_.setInterval(kLookForTurn);
  connect(&look_, &QTimer::timeout, this, &ShortRuns::restore);
  connect(&queue_, &RunQueue::ended, this, [this](std::uint64_t id) {
    const auto found = std::find(ids_.begin(), ids_.end(), id);
    if (going_ && found != ids_.end()) end_run(static_cast<std::size_t>(found - ids_.begin()));
  });
  SessionBridge& bridge = workspace.bridge();
  connect(&bridge, &SessionBridge::run_started, this, [this](const RunStarted& event) {
    const auto place = running();
    if (!place) return;
    result(*place).state = run_state_name(RunState::Running);
    stepped_.clear();
    lines(*place).steps_per_epoch = event.steps_per_epoch;
    emit changed();
  });
  connect(&bridge, &SessionBridge::step_done, this, [this](const StepDone& event) {
    const auto place = running();
    if (!place) return;
    lines(*place).lines.push_back(event.line);
    stepped_.push_back(event.line);
    measure(stepped_, result(*place));
    emit changed();
  });
  connect(&bridge, &SessionBridge::evaluation_done, this, [this](const EvaluationDone& event) {
    const auto place = running();
    if (!place) return;
    lines(*place).evaluations[event.step] = event.eval_loss;
    emit changed();
  });
  connect(&bridge, &SessionBridge::state_changed, this, [this](SessionState state) {
    if (restore_ == Restore::Asked && state == SessionState::Loading) restore_ = Restore::Loading;
    if (restore_ == Restore::Loading && can_load(state)) finish();
  });
  connect(&bridge, &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (restore_ != Restore::No && event.command == "load_model") finish();
  });
}

std::optional<std::size_t> ShortRuns::running() const {
  if (!going_) return std::nullopt;
  for (std::size_t place = 0; place < ids_.size(); ++place) {
    const QueuedRun* run = queue_.find(ids_[place]);
    if (run && run->state == QueuedRun::State::Running) return place;
  }
  return std::nullopt;
}

void ShortRuns::drop_results(const std::vector<PlannedRun>& run_again) {
  for (std::size_t i = results_.size(); i-- > 0;) {
    const auto same = [&](const PlannedRun& run) {
      return results_[i].method == run.method && results_[i].four_bits == run.four_bits;
    };
    if (std::none_of(run_again.begin(), run_again.end(), same)) continue;
    results_.erase(results_.begin() + static_cast<std::ptrdiff_t>(i));
    series_.erase(series_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

Status ShortRuns::start(std::vector<PlannedRun> runs, const std::string& like, bool four_bits) {
  if (going_ || runs.empty()) return {};
  std::vector<RunToQueue> queued;
  for (const PlannedRun& run : runs)
    queued.push_back({run.recipe, method_label(run.method, run.four_bits), kHeldOutAnswers,
                      false});  // the page does not know them any more at the next start
  queue_.forget_ended(kShortRuns);
  LUTHIER_TRY(ids_, queue_.add(std::move(queued), kShortRuns));
  if (like != like_) {
    results_.clear();
    series_.clear();
  }
  drop_results(runs);
  like_ = like;
  four_bits_ = four_bits;
  planned_ = std::move(runs);
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
  stopping_ = false;
  retranslate();
  // Who asks for these wants them also where the queue is held, and not what waits there.
  queue_.let_through(kShortRuns);
  return {};
}

void ShortRuns::stop() {
  if (!going_ || restore_ != Restore::No) return;
  stopping_ = true;
  queue_.drop_waiting(kShortRuns);
  const SessionState state = workspace_.state();
  if (!running())
    end_series();
  else if (can_stop(state) || state == SessionState::Loading)
    workspace_.session().stop(StopKind::Discard);
}

void ShortRuns::retranslate() {
  for (std::size_t i = 0; i < results_.size(); ++i)
    series_[i].name = method_label(results_[i].method, results_[i].four_bits);
  emit changed();
}

void ShortRuns::end_run(std::size_t place) {
  const QueuedRun& run = *queue_.find(ids_[place]);
  result(place).state = run.end_state;
  result(place).error = run.error;
  planned_[place].recipe.output_dir = run.recipe.output_dir;
  at_ = place + 1;
  // Its file is measured beside: it may be large, and the next one need not wait.
  in_background_of(
      this, [ended = planned_[place]] { return read_short_run(ended); },
      [this](const ShortRun& read) {
        for (ShortRun& shown : results_)
          if (shown.method == read.method && shown.four_bits == read.four_bits)
            shown.file = read.file;
        emit changed();
      });
  if (run.end_state == run_state_name(RunState::Stopped)) {
    stopping_ = true;
    queue_.drop_waiting(kShortRuns);
  }
  emit changed();
  if (stopping_ || at_ == planned_.size()) end_series();
}

void ShortRuns::end_series() {
  const bool packed = at_ > 0 ? planned_[at_ - 1].four_bits : four_bits_;
  const bool others = queue_.waiting() > 0 && !queue_.held();
  if (packed == four_bits_ || !workspace_.model() || others) {
    finish();
    return;
  }
  restore_ = Restore::Waits;
  look_.start();
}

void ShortRuns::restore() {
  if (restore_ != Restore::Waits) return;
  if (!workspace_.model()) {  // it was let go meanwhile
    finish();
    return;
  }
  if (!can_load(workspace_.state()) || workspace_.session().has_run()) return;
  look_.stop();
  restore_ = Restore::Asked;
  workspace_.load_model(path_text(workspace_.model()->summary.folder));
}

void ShortRuns::finish() {
  look_.stop();
  going_ = false;
  restore_ = Restore::No;
  // Those that were not reached are not shown as if they waited.
  results_.resize(first_ + at_);
  series_.resize(first_ + at_);
  emit changed();
  emit ended();
}

}  // namespace luthier
