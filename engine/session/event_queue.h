// SPDX-License-Identifier: GPL-3.0-or-later
// The one queue between the engine's threads and a host, which may be slow. Progress and an answer
// that still streams take the place of their older selves. In a full queue the figures of every
// other step, and every other progress, are dropped, so that a curve keeps its shape; what happened
// once (a state, an answer's end, an evaluation, an error) never is. No LibTorch.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "engine/session/session.h"

namespace luthier {

class EventQueue {
 public:
  explicit EventQueue(std::size_t limit = 4096) : limit_(limit) {}
  void push(SessionEvent event);
  std::vector<SessionEvent> drain();
  bool wait(double seconds);
  /// Half of it at least: who can hold back (a run that is told again) does so before it is full.
  bool has_room() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SessionEvent> events_;
  const std::size_t limit_;
};

}  // namespace luthier
