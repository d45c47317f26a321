// SPDX-License-Identifier: GPL-3.0-or-later
// How many cores this process may use, and how much of them other programs are using just now.
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
};

/// Cores of this process's affinity mask. At least 1.
int allowed_cores();

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
  };
  std::optional<Counters> read() const;

  std::filesystem::path root_;
  std::optional<Counters> last_;
};

/// Whether somebody else keeps a core of ours busy, or half of one. `before`: what was said at the
/// last look; a little less is needed to go on saying yes than to begin.
bool others_want_cores(const CoreUse& use, bool before);

}  // namespace luthier
