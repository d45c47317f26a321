// SPDX-License-Identifier: GPL-3.0-or-later
// Time in tests. A machine that does other work at the same time must decide no outcome: a wait
// goes on until what it waits for is there, with one limit that only a hang reaches, and what a
// piece of code costs is its own thread's processor time, compared with itself on less.
#pragma once

#include <QtTest>

#include <algorithm>
#include <ctime>

namespace luthier::test {

/// Milliseconds: the limit of every wait. ctest's own limit (tests/CMakeLists.txt) is above it, and
/// a round of all tests stays within CI's time though one of them hangs.
inline constexpr int kHang = 600'000;

/// The limit of a wait that a test makes itself.
class Patience {
 public:
  bool is_over() const { return limit_.hasExpired(); }

 private:
  QDeadlineTimer limit_{kHang};
};

/// Waits for a condition while events are handled; false after a hang.
template <class Condition>
bool wait_for(Condition condition) {
  return QTest::qWaitFor(condition, kHang);
}

/// What this thread spent of the processor, in milliseconds.
inline double thread_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

/// The least processor time of three calls.
template <class Work>
double least_milliseconds(Work work) {
  double least = 0;
  for (int i = 0; i < 3; ++i) {
    const double start = thread_milliseconds();
    work();
    const double took = thread_milliseconds() - start;
    least = i ? std::min(least, took) : took;
  }
  return least;
}

/// How many times as much one kind of work costs on 64 times as much: 64 where it grows evenly (on
/// a busy machine up to 200, when only the smaller one fits the caches), 4096 where it grows by the
/// square. kEven lies between them.
inline constexpr double kEven = 500;
template <class Small, class Large>
double growth(Small small, Large large) {
  const double first = least_milliseconds(small);
  return least_milliseconds(large) / std::max(0.01, first);
}

}  // namespace luthier::test

/// In place of QTRY_VERIFY and QTRY_COMPARE.
#define WAIT_UNTIL(condition) QTRY_VERIFY_WITH_TIMEOUT(condition, luthier::test::kHang)
#define WAIT_UNTIL_EQUAL(left, right) QTRY_COMPARE_WITH_TIMEOUT(left, right, luthier::test::kHang)
