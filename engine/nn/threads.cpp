// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/threads.h"

#include <chrono>
#include <cstdlib>

#include "engine/base/cores.h"
#include "engine/base/log.h"
#include "engine/nn/torch.h"

namespace luthier {

namespace {

using Clock = std::chrono::steady_clock;
/// Linux counts in hundredths of a second: shorter looks would see its rounding.
constexpr std::chrono::milliseconds kBetweenLooks{300};

bool chosen_by_hand() { return std::getenv("OMP_NUM_THREADS") != nullptr; }

/// OpenMP keeps the number of threads for each thread that starts some, and so do we.
struct Adaptation {
  const int cores = usable_cores();
  CoreMeter meter;
  Clock::time_point next_look{};
};

Adaptation& adaptation() {
  thread_local Adaptation own;
  return own;
}

}  // namespace

void take_all_cores() {
  if (!chosen_by_hand()) at::set_num_threads(adaptation().cores);
}

void adapt_threads() {
  Adaptation& own = adaptation();
  const Clock::time_point now = Clock::now();
  if (now < own.next_look || own.cores == 1 || chosen_by_hand()) return;
  own.next_look = now + kBetweenLooks;
  const auto use = own.meter.look();
  if (!use) return;
  const int threads = at::get_num_threads(), wanted = threads_for(*use, own.cores, threads);
  if (wanted == threads) return;
  log_debug("Other programs use " + std::to_string(use->others) + " of " +
            std::to_string(own.cores) + " cores: " + std::to_string(wanted) + " threads.");
  at::set_num_threads(wanted);
}

}  // namespace luthier
