// SPDX-License-Identifier: GPL-3.0-or-later
// How many cores this process may use, how many of them other programs are using just now, and how
// many threads that leaves. OpenMP's threads spin while they wait for each other: with a thread on
// every core, one other busy program turns most of their time into waiting. So the number of
// threads follows what is free.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

namespace luthier {

/// What happened on the cores that this process may use since the last look.
struct CoreUse {
  double seconds = 0;  ///< how long ago that was
  double others = 0;   ///< cores that other programs (and the machine's host) used on average
  double waiting =
      0;  ///< threads of the machine, ours among them, that run or want to at this moment
};

/// Cores this process may use: its affinity mask, cut to the CPU quota of its control group. At
/// least 1.
int usable_cores(const std::filesystem::path& root = "/");

/// Differences of Linux's counters between two looks.
class CoreMeter {
 public:
  explicit CoreMeter(std::filesystem::path root = "/") : root_(std::move(root)) {}
  /// Nothing at the first look, and where the counters cannot be read.
  std::optional<CoreUse> look();

 private:
  struct Counters {
    std::chrono::steady_clock::time_point when;
    double busy = 0, own = 0;  // seconds of processor time: all programs on our cores, and ours
    double running = 0;        // runnable threads of the whole machine
  };
  std::optional<Counters> read() const;

  std::filesystem::path root_;
  std::optional<Counters> last_;
};

/// How many threads to compute with on `cores` cores, after `now` threads met this use: as many as
/// others leave free, but never fewer than a fair share among all that want to run (n threads
/// beside k others on n cores: n·n / (n + k)), so that a crowded machine does not push us down to
/// one thread bit by bit.
int threads_for(const CoreUse& use, int cores, int now);

}  // namespace luthier
