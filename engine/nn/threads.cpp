// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/threads.h"

#include <dlfcn.h>

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

/// For this thread, whatever LibTorch says for all; a LibTorch without MKL has no such function.
void keep_mkl_at_one() {
  using SetThreads = int (*)(int);
  static const auto set =
      reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "MKL_Set_Num_Threads_Local"));
  if (set != nullptr) set(1);
}

}  // namespace

void set_threads(int count) {
  at::set_num_threads(count);
  keep_mkl_at_one();
}

void take_all_cores() {
  set_threads(chosen_by_hand() ? at::get_num_threads() : adaptation().cores);
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
  set_threads(wanted);
}

}  // namespace luthier
