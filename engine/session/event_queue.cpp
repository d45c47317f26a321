// SPDX-License-Identifier: GPL-3.0-or-later
// Progress and unfinished answers are always merged with a waiting one of the same kind; steps only
// when the queue is full, and then the older half is thinned out, so that a curve keeps its shape.
#include "engine/session/event_queue.h"

#include <algorithm>
#include <chrono>

namespace luthier {
namespace {

/// Whether `newer` makes `older` needless.
bool replaces(const SessionEvent& newer, const SessionEvent& older) {
  if (newer.index() != older.index()) return false;
  if (const auto* progress = std::get_if<Progress>(&newer)) {
    const auto& other = std::get<Progress>(older);
    return progress->request == other.request && progress->what == other.what;
  }
  if (const auto* fetch = std::get_if<FetchProgressed>(&newer))
    return fetch->request == std::get<FetchProgressed>(older).request;
  if (const auto* answer = std::get_if<AnswerUpdate>(&newer)) {
    const auto& other = std::get<AnswerUpdate>(older);
    return !other.final && answer->request == other.request && answer->sample == other.sample &&
           answer->column == other.column;
  }
  return false;
}

constexpr std::size_t kLookBack = 64;  // merging searches no further

}  // namespace

void EventQueue::push(SessionEvent event) {
  {
    const std::lock_guard lock(mutex_);
    std::size_t looked = 0;
    for (auto older = events_.rbegin(); older != events_.rend() && looked < kLookBack;
         ++older, ++looked) {
      if (!replaces(event, *older)) continue;
      events_.erase(std::next(older).base());
      break;
    }
    if (events_.size() >= limit_) {
      bool drop = false;
      std::deque<SessionEvent> kept;
      for (SessionEvent& each : events_) {
        const auto* step = std::get_if<StepDone>(&each);
        const bool thin = (step && !step->line.eval_loss) || std::holds_alternative<Progress>(each);
        if (thin) drop = !drop;
        if (!thin || !drop) kept.push_back(std::move(each));
      }
      events_ = std::move(kept);
    }
    events_.push_back(std::move(event));
  }
  changed_.notify_all();
}

std::vector<SessionEvent> EventQueue::drain() {
  const std::lock_guard lock(mutex_);
  std::vector<SessionEvent> events(std::make_move_iterator(events_.begin()),
                                   std::make_move_iterator(events_.end()));
  events_.clear();
  return events;
}

bool EventQueue::wait(double seconds) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                           [this] { return !events_.empty(); });
}

bool EventQueue::has_room() const {
  const std::lock_guard lock(mutex_);
  return events_.size() < limit_ / 2;
}

}  // namespace luthier
