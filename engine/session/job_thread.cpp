// SPDX-License-Identifier: GPL-3.0-or-later
// Exceptions end here: LibTorch's and the library's own become errors of the command that met them.
#include "engine/session/job_thread.h"
#include "engine/base/text.h"
#include "engine/device/failure.h"

#include <algorithm>
#include <exception>

namespace luthier {

JobThread::JobThread(std::function<void(const Job&, const Error&)> failed,
                     std::function<void(const Job&, std::optional<Error>)> done)
    : failed_(std::move(failed)), done_(std::move(done)), thread_([this] { loop(); }) {}

JobThread::~JobThread() { finish(); }

void JobThread::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
    jobs_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void JobThread::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (finishing_) return;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void JobThread::drop_waiting(const std::string& command) {
  std::vector<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      if (job->command != command) {
        ++job;
        continue;
      }
      dropped.push_back(std::move(*job));
      job = jobs_.erase(job);
    }
  }
  for (const Job& job : dropped) done_(job, interrupted_error());
}

void JobThread::run(Job& job) {
  Status status;
  try {
    status = job.work();
  } catch (const std::exception& failure) {
    status = device_failure(failure, machine_error("Memory ran out.", job.command),
                            machine_error(first_line(failure.what()), job.command));
  }
  if (!status && status.error().code != ErrorCode::Interrupted) failed_(job, status.error());
  if (job.request != 0) done_(job, status ? std::nullopt : std::optional<Error>(status.error()));
}

bool JobThread::waits_between() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [](const Job& each) { return each.between_steps; });
}

bool JobThread::run_between() {
  bool any = false;
  for (;;) {
    Job job;
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::find_if(jobs_.begin(), jobs_.end(),
                                      [](const Job& each) { return each.between_steps; });
      if (found == jobs_.end()) return any;
      job = std::move(*found);
      jobs_.erase(found);
    }
    run(job);
    any = true;
  }
}

void JobThread::loop() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return finishing_ || !jobs_.empty(); });
      if (finishing_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    run(job);
  }
}

void Cancellations::cancel(RequestId request) {
  const std::lock_guard lock(mutex_);
  requests_.insert(request);
}

bool Cancellations::cancelled(RequestId request) const {
  const std::lock_guard lock(mutex_);
  return all_ || requests_.contains(request);
}

void Cancellations::forget(RequestId request) {
  const std::lock_guard lock(mutex_);
  requests_.erase(request);
}

void Cancellations::cancel_all() {
  const std::lock_guard lock(mutex_);
  all_ = true;
}

}  // namespace luthier
