// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that are launched one after another from one click. A page queues recipes under a group of
// its own and follows them there:
//   auto added = workspace.queue().add({{recipe, "r 4"}, {other, "r 8"}}, "ranks");
//   connect(&workspace.queue(), &RunQueue::ended, this, [&](std::uint64_t id) { … });
// A run that fails does not hold up the next one. One that a person stops holds the queue until
// go_on(): who stops a run wants the machine, not the next run. The form's recipe stays as it is,
// and what a person launches meanwhile comes between.
#pragma once

#include <QObject>
#include <QString>
#include <QTimer>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/stages.h"

namespace luthier {

class Workspace;
struct RunEnded;

struct RunToQueue {
  Recipe recipe;
  QString label;                     ///< what it is called among its group: "r 4"
  std::size_t held_out_answers = 0;  ///< as Session::launch has it
  bool kept = true;                  ///< with the desk, for the window's next start
  /// In place of the recipe, a run of several stages into the recipe's output_dir; it is not kept.
  std::optional<StagedRecipe> staged = {};
};

struct QueuedRun {
  enum class State { Waiting, Running, Ended };

  std::uint64_t id = 0;
  Recipe recipe;  ///< output_dir: a folder of its own
  QString label, group;
  std::size_t held_out_answers = 0;
  bool kept = true;
  std::optional<StagedRecipe> staged = {};
  State state = State::Waiting;
  std::string end_state;       ///< as RunEnded says it: finished, stopped, failed
  std::optional<Error> error;  ///< why it failed
};

class RunQueue : public QObject {
  Q_OBJECT

 public:
  explicit RunQueue(Workspace& workspace);

  /// All of them, or none: the Error of the first recipe that cannot run. A run folder that is
  /// taken, on the disk or in the queue, gets the next free name.
  Result<std::vector<std::uint64_t>> add(std::vector<RunToQueue> runs, const QString& group);
  /// As the queue was left at the last start, in front of what was queued since. Held where
  /// anything of it waits: nothing is launched until a person says so.
  void put_back(std::vector<QueuedRun> runs);
  /// Takes out what waits of this group; what runs goes on.
  void drop_waiting(const QString& group);
  /// Forgets those of this group that have ended.
  void forget_ended(const QString& group);
  /// What waits goes up (-1) or down (1) among what waits; false where it cannot.
  bool move(std::uint64_t id, int by);
  /// Takes it out, unless it runs.
  bool remove(std::uint64_t id);
  void rename(std::uint64_t id, const QString& label);
  /// Nothing is launched until go_on().
  void hold();
  void go_on();
  /// Launches this group's runs also while the rest is held.
  void let_through(const QString& group);
  bool held() const { return held_; }

  const std::vector<QueuedRun>& runs() const { return runs_; }
  std::vector<QueuedRun> of_group(const QString& group) const;
  const QueuedRun* find(std::uint64_t id) const;
  std::size_t waiting() const;

 signals:
  void changed();
  void ended(std::uint64_t id);

 private:
  void launch_next();
  bool may_launch(const QueuedRun& run) const;
  /// Looks for a turn while there is something that may be launched.
  void look();
  void end_running(const std::string& state, const std::optional<Error>& error);
  std::string free_folder(const std::string& wanted) const;
  QueuedRun* running();

  Workspace& workspace_;
  std::vector<QueuedRun> runs_;
  std::uint64_t next_ = 1;
  bool held_ = false;
  QString through_;  ///< a group that is launched while the rest is held; empty: none
  QTimer look_;      ///< while something waits: whether the session can take it
};

}  // namespace luthier
