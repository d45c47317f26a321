// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/loop_clock.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace luthier {

namespace {

constexpr int kTickMilliseconds = 5;

double thread_milliseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

}  // namespace

LoopClock::LoopClock(QObject* parent) : QObject(parent) {
  timer_.setTimerType(Qt::PreciseTimer);
  timer_.setInterval(kTickMilliseconds);
  connect(&timer_, &QTimer::timeout, this, &LoopClock::tick);
}

void LoopClock::start() {
  since_tick_.start();
  worked_ = thread_milliseconds();
  timer_.start();
}

void LoopClock::stop() {
  tick();
  timer_.stop();
}

void LoopClock::tick() {
  const double passed = static_cast<double>(since_tick_.nsecsElapsed()) / 1e6;
  const double worked = thread_milliseconds();
  since_tick_.start();
  late_.push_back(std::max(0.0, passed - kTickMilliseconds));
  work_.push_back(worked - std::exchange(worked_, worked));
}

Json LoopClock::take() {
  if (running()) tick();
  std::vector<double> sorted = std::exchange(late_, {});
  const std::vector<double> work = std::exchange(work_, {});
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double share) {
    return sorted.empty()
               ? 0.0
               : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  };
  Json figures{{"max_hold_ms", at(1)},
               {"p99_hold_ms", at(0.99)},
               {"max_work_ms", work.empty() ? 0.0 : *std::max_element(work.begin(), work.end())}};
  Json histogram = Json::array();
  constexpr std::array<double, 9> kBounds{1, 2, 5, 10, 20, 50, 100, 200, 1e9};
  std::size_t counted = 0;
  for (const double bound : kBounds) {
    std::size_t count = 0;
    while (counted < sorted.size() && sorted[counted] <= bound) ++counted, ++count;
    histogram.push_back({bound, count});
  }
  figures["histogram_ms"] = std::move(histogram);
  return figures;
}

}  // namespace luthier
