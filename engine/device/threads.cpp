// SPDX-License-Identifier: GPL-3.0-or-later
// How long libgomp's threads spin is read from the environment once, but it has two values: the
// second, of some hundred turns, holds while more OpenMP threads exist than there are cores
// (libgomp's manual, GOMP_SPINCOUNT). So one thread more that keeps a team of its own, asleep, is
// the switch between them.
#include "engine/device/threads.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

#include <ATen/ThreadLocalState.h>

#include "engine/base/cores.h"
#include "engine/base/log.h"
#include "engine/device/parallel.h"
#include "engine/device/product_library.h"
#include "engine/device/torch.h"

namespace luthier {

namespace {

using Clock = std::chrono::steady_clock;
/// Linux counts in hundredths of a second: shorter looks would see its rounding.
constexpr std::chrono::milliseconds kBetweenLooks{300};

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

/// While it lives, there are more OpenMP threads than cores.
class SleepingTeam {
 public:
  explicit SleepingTeam(int threads)
      : thread_([this, threads] {
          // The entry that compilers call for `omp parallel`; not there with another OpenMP.
          using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
          const auto parallel = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
          if (parallel) parallel([](void*) {}, nullptr, static_cast<unsigned>(threads), 0);
          std::unique_lock lock(mutex_);
          ended_.wait(lock, [this] { return end_; });
        }) {}
  ~SleepingTeam() {
    {
      const std::lock_guard lock(mutex_);
      end_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  SleepingTeam(const SleepingTeam&) = delete;
  SleepingTeam& operator=(const SleepingTeam&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;  // last: it uses the others
};

/// OpenMP keeps teams for each thread that starts one; each looks for itself.
struct Waiting {
  const bool chosen_by_hand = is_set("OMP_WAIT_POLICY") || is_set("GOMP_SPINCOUNT");
  CoreMeter meter;
  Clock::time_point next_look{};
  std::unique_ptr<SleepingTeam> short_waits;
};

Waiting& waiting() {
  thread_local Waiting own;
  return own;
}

/// MKL's number of threads, of the calling thread; → what it was. 0: as many as LibTorch has. -1:
/// a LibTorch without MKL has no such function.
int set_mkl_threads(int count) {
  using SetThreads = int (*)(int);
  static const auto set =
      reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "MKL_Set_Num_Threads_Local"));
  return set ? set(count) : -1;
}

/// MKL makes this thread's products on it alone.
class OneMklThread {
 public:
  OneMklThread() {
    // LibTorch sets a thread's numbers at its first question, MKL's too: asked later, within the
    // work, it would undo what is set here, once in the life of a thread, and a resume's first step
    // would have other last bits than the same step of a run that was not interrupted.
    (void)at::get_num_threads();
    before_ = set_mkl_threads(1);
  }
  ~OneMklThread() {
    if (before_ >= 0) set_mkl_threads(before_);
  }
  OneMklThread(const OneMklThread&) = delete;
  OneMklThread& operator=(const OneMklThread&) = delete;

 private:
  int before_ = -1;
};

}  // namespace

int threads_to_take() { return is_set("OMP_NUM_THREADS") ? at::get_num_threads() : usable_cores(); }

void take_all_cores() {
  const bool by_mkl = mkl_makes_products();  // before: the two are timed on one thread
  // Said in any case: LibTorch would else take MKL's number, at its first product, for its own.
  at::set_num_threads(threads_to_take());
  if (!is_set("MKL_NUM_THREADS")) set_mkl_threads(by_mkl ? 0 : 1);
}

void adapt_waiting() {
  Waiting& own = waiting();
  const Clock::time_point now = Clock::now();
  if (now < own.next_look || own.chosen_by_hand || at::get_num_threads() == 1) return;
  own.next_look = now + kBetweenLooks;
  const auto use = own.meter.look();
  if (!use) return;
  const bool before = own.short_waits != nullptr, others = others_want_cores(*use, before);
  if (others == before) return;
  log_debug(others ? "Other programs want our cores: threads sleep while they wait."
                   : "The cores are ours: threads spin while they wait.");
  if (others)
    own.short_waits = std::make_unique<SleepingTeam>(allowed_cores() + 1);
  else
    own.short_waits.reset();
}

void on_own_threads(std::int64_t count, const std::function<void(std::int64_t)>& work) {
  if (count <= 0) return;
  const at::ThreadLocalState here;
  // A range of one would not count as parallel, and libraries would take all threads within it.
  for_pieces(0, std::max<std::int64_t>(2, count), 1, [&](std::int64_t begin, std::int64_t end) {
    const at::ThreadLocalStateGuard there(here);
    const OneMklThread alone;
    for (std::int64_t i = begin; i < std::min(end, count); ++i) work(i);
  });
}

}  // namespace luthier
