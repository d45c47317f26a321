// SPDX-License-Identifier: GPL-3.0-or-later
// A thread that does jobs in their order. A long job may let others that allow it run in between (a
// training run lets answers through). No LibTorch.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "engine/session/session.h"

namespace luthier {

struct Job {
  std::string command;         ///< for CommandFailed
  RequestId request = 0;       ///< 0: none
  bool between_steps = false;  ///< may run while another job of this thread trains
  std::function<Status()> work;
};

class JobThread {
 public:
  /// `failed` gets what a job returned or threw; `done` every ended job that had a request number.
  JobThread(std::function<void(const Job&, const Error&)> failed,
            std::function<void(const Job&, std::optional<Error>)> done);
  ~JobThread();  ///< finishes the job in work, drops the others

  void post(Job job);
  /// Drops waiting jobs of this command; their requests end as cancelled.
  void drop_waiting(const std::string& command);
  /// From inside a job: runs waiting jobs that allow it. True if there was one.
  bool run_between();
  bool waits_between() const;  ///< whether one waits
  void finish();               ///< no more jobs; joins

 private:
  void loop();
  void run(Job& job);

  std::function<void(const Job&, const Error&)> failed_;
  std::function<void(const Job&, std::optional<Error>)> done_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool finishing_ = false;
  std::thread thread_;
};

/// Requests that were cancelled, until they end.
class Cancellations {
 public:
  void cancel(RequestId request);
  bool cancelled(RequestId request) const;
  void forget(RequestId request);
  void cancel_all();

 private:
  mutable std::mutex mutex_;
  std::set<RequestId> requests_;
  bool all_ = false;
};

}  // namespace luthier
