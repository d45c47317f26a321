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
  for (const RunToQueue& run : runs) LUTHIER_CHECK(check_recipe(run.recipe));
  std::vector<std::uint64_t> ids;
  for (RunToQueue& run : runs) {
    QueuedRun queued;
    queued.id = next_++;
    queued.recipe = std::move(run.recipe);
    queued.recipe.output_dir = free_folder(queued.recipe.output_dir);
    queued.label = run.label;
    queued.held_out_answers = run.held_out_answers;
    queued.group = group;
    ids.push_back(queued.id);
    runs_.push_back(std::move(queued));
  }
  if (!held_ && !ids.empty()) look_.start();
  emit changed();
  return ids;
}

void RunQueue::drop_waiting(const QString& group) {
  std::erase_if(runs_, [&](const QueuedRun& run) {
    return run.group == group && run.state == QueuedRun::State::Waiting;
  });
  if (waiting() == 0) {
    look_.stop();
    held_ = false;
  }
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
  if (waiting() == 0) {
    look_.stop();
    held_ = false;
  }
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
  look_.stop();
  emit changed();
}

void RunQueue::go_on() {
  held_ = false;
  if (waiting() > 0) look_.start();
  emit changed();
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
  const auto next = std::find_if(runs_.begin(), runs_.end(), [](const QueuedRun& run) {
    return run.state == QueuedRun::State::Waiting;
  });
  if (next == runs_.end()) {
    look_.stop();
    return;
  }
  // Its name may have been taken while it waited.
  next->recipe.output_dir =
      workspace_.free_run_folder(QString::fromStdString(next->recipe.output_dir)).toStdString();
  if (!workspace_.launch_recipe(next->recipe, next->held_out_answers)) return;
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
