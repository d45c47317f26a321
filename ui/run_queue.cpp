// SPDX-License-Identifier: GPL-3.0-or-later
// The session is looked at, not listened to: between two runs it passes through states that look
// like rest (a base that is loaded again).
#include "ui/run_queue.h"

#include <algorithm>

#include "ui/format.h"
#include "ui/workspace.h"

namespace luthier {

namespace {
constexpr int kLookMilliseconds = 100;
}

RunQueue::RunQueue(Workspace& workspace) : QObject(&workspace), workspace_(workspace) {
  look_.setInterval(kLookMilliseconds);
  connect(&look_, &QTimer::timeout, this, &RunQueue::launch_next);
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::run_ended, this,
          [this](const RunEnded& event) { end_running(event.state, event.error); });
  connect(&bridge, &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command == "launch") end_running("failed", event.error);
  });
  // Only a new start gets a card back that died.
  connect(&bridge, &SessionBridge::device_lost, this, &RunQueue::hold);
}

std::string RunQueue::free_folder(const std::string& wanted) const {
  const QString first = QString::fromStdString(wanted);
  const auto taken = [this](const std::string& folder) {
    return std::any_of(runs_.begin(), runs_.end(), [&](const QueuedRun& run) {
      return run.state != QueuedRun::State::Ended && run.recipe.output_dir == folder;
    });
  };
  std::string free = workspace_.free_run_folder(first).toStdString();
  for (int i = 2; taken(free); ++i)
    free = workspace_.free_run_folder(QStringLiteral("%1-%2").arg(first).arg(i)).toStdString();
  return free;
}

Result<std::vector<std::uint64_t>> RunQueue::add(std::vector<RunToQueue> runs,
                                                 const QString& group) {
  for (const RunToQueue& run : runs)
    if (!run.staged) LUTHIER_CHECK(check_recipe(run.recipe));
  std::vector<std::uint64_t> ids;
  for (RunToQueue& run : runs) {
    QueuedRun queued;
    queued.id = next_++;
    queued.recipe = std::move(run.recipe);
    queued.recipe.output_dir = free_folder(queued.recipe.output_dir);
    queued.label = run.label;
    queued.held_out_answers = run.held_out_answers;
    queued.kept = run.kept && !run.staged;
    queued.staged = std::move(run.staged);
    queued.group = group;
    ids.push_back(queued.id);
    runs_.push_back(std::move(queued));
  }
  look();
  emit changed();
  return ids;
}

void RunQueue::put_back(std::vector<QueuedRun> runs) {
  if (runs.empty()) return;
  for (QueuedRun& run : runs) run.id = next_++;
  runs_.insert(runs_.begin(), std::make_move_iterator(runs.begin()),
               std::make_move_iterator(runs.end()));
  if (waiting() > 0)
    hold();
  else
    emit changed();
}

void RunQueue::drop_waiting(const QString& group) {
  std::erase_if(runs_, [&](const QueuedRun& run) {
    return run.group == group && run.state == QueuedRun::State::Waiting;
  });
  if (waiting() == 0) held_ = false;
  look();
  emit changed();
}

void RunQueue::forget_ended(const QString& group) {
  std::erase_if(runs_, [&](const QueuedRun& run) {
    return run.group == group && run.state == QueuedRun::State::Ended;
  });
  emit changed();
}

bool RunQueue::move(std::uint64_t id, int by) {
  const auto waits = [](const QueuedRun& run) { return run.state == QueuedRun::State::Waiting; };
  const auto own =
      std::find_if(runs_.begin(), runs_.end(), [&](const QueuedRun& run) { return run.id == id; });
  if (own == runs_.end() || !waits(*own) || by == 0) return false;
  // Past what has ended or runs: only what waits has an order still.
  auto other = own;
  do {
    if (by < 0 && other == runs_.begin()) return false;
    other += by < 0 ? -1 : 1;
    if (other == runs_.end()) return false;
  } while (!waits(*other));
  std::iter_swap(own, other);
  emit changed();
  return true;
}

bool RunQueue::remove(std::uint64_t id) {
  const bool removed = std::erase_if(runs_, [&](const QueuedRun& run) {
                         return run.id == id && run.state != QueuedRun::State::Running;
                       }) > 0;
  if (!removed) return false;
  if (waiting() == 0) held_ = false;
  look();
  emit changed();
  return true;
}

void RunQueue::rename(std::uint64_t id, const QString& label) {
  for (QueuedRun& run : runs_)
    if (run.id == id) run.label = label;
  emit changed();
}

void RunQueue::hold() {
  held_ = true;
  through_.clear();
  look();
  emit changed();
}

void RunQueue::go_on() {
  held_ = false;
  look();
  emit changed();
}

void RunQueue::let_through(const QString& group) {
  through_ = group;
  look();
}

bool RunQueue::may_launch(const QueuedRun& run) const {
  return run.state == QueuedRun::State::Waiting &&
         (!held_ || (!through_.isEmpty() && run.group == through_));
}

void RunQueue::look() {
  const bool any = std::any_of(runs_.begin(), runs_.end(),
                               [this](const QueuedRun& run) { return may_launch(run); });
  if (!any)
    look_.stop();
  else if (!look_.isActive())
    look_.start();
}

std::vector<QueuedRun> RunQueue::of_group(const QString& group) const {
  std::vector<QueuedRun> found;
  for (const QueuedRun& run : runs_)
    if (run.group == group) found.push_back(run);
  return found;
}

const QueuedRun* RunQueue::find(std::uint64_t id) const {
  for (const QueuedRun& run : runs_)
    if (run.id == id) return &run;
  return nullptr;
}

std::size_t RunQueue::waiting() const {
  return static_cast<std::size_t>(
      std::count_if(runs_.begin(), runs_.end(),
                    [](const QueuedRun& run) { return run.state == QueuedRun::State::Waiting; }));
}

QueuedRun* RunQueue::running() {
  for (QueuedRun& run : runs_)
    if (run.state == QueuedRun::State::Running) return &run;
  return nullptr;
}

void RunQueue::launch_next() {
  if (running()) return;
  const auto next = std::find_if(runs_.begin(), runs_.end(),
                                 [this](const QueuedRun& run) { return may_launch(run); });
  if (next == runs_.end()) {
    look_.stop();
    return;
  }
  // Its name may have been taken while it waited.
  next->recipe.output_dir =
      workspace_.free_run_folder(QString::fromStdString(next->recipe.output_dir)).toStdString();
  if (next->staged) {
    next->staged->output_dir = next->recipe.output_dir;
    if (!workspace_.launch_stages(*next->staged)) return;
  } else if (!workspace_.launch_recipe(next->recipe, next->held_out_answers)) {
    return;
  }
  next->state = QueuedRun::State::Running;
  emit changed();
}

void RunQueue::end_running(const std::string& state, const std::optional<Error>& error) {
  QueuedRun* run = running();
  if (!run) return;
  const std::uint64_t id = run->id;
  run->state = QueuedRun::State::Ended;
  run->end_state = state;
  run->error = error;
  if (state == "stopped" && waiting() > 0) hold();
  emit changed();
  emit ended(id);
}

}  // namespace luthier
