// SPDX-License-Identifier: GPL-3.0-or-later
// Loops of our own run on several threads for real, each piece once; what fails in one of them
// comes out; and what runs on a thread of its own stays on it.
#include "engine/device/parallel.h"

#include <dlfcn.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include <ATen/Parallel.h>

#include "engine/device/threads.h"
#include "engine/device/torch.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

/// The threads that a piece of work ran on.
class Seen {
 public:
  void here() {
    const std::lock_guard lock(mutex_);
    threads_.insert(std::this_thread::get_id());
  }
  std::size_t count() const { return threads_.size(); }

 private:
  std::mutex mutex_;
  std::set<std::thread::id> threads_;
};

}  // namespace

class TestParallel : public QObject {
  Q_OBJECT

 private slots:
  void init() { at::set_num_threads(2); }
  void cleanup() { at::set_num_threads(1); }

  void pieces_run_on_several_threads() {
    Seen seen;
    std::vector<int> touched(1000);
    std::atomic<bool> alone = false;
    for_pieces(0, 1000, 100, [&](std::int64_t first, std::int64_t last) {
      seen.here();
      if (!at::in_parallel_region()) alone = true;
      for (std::int64_t i = first; i < last; ++i) ++touched[static_cast<std::size_t>(i)];
    });
    QCOMPARE(seen.count(), std::size_t(2));
    QVERIFY(!alone);
    QCOMPARE(touched, std::vector<int>(1000, 1));
  }

  void what_is_short_stays_on_this_thread() {
    std::atomic<int> calls = 0;
    for_pieces(0, 100, 100, [&](std::int64_t first, std::int64_t last) {
      ++calls;
      QCOMPARE(first, std::int64_t(0));
      QCOMPARE(last, std::int64_t(100));
    });
    for_pieces(5, 5, 1, [&](std::int64_t, std::int64_t) { ++calls; });
    QCOMPARE(calls.load(), 1);
  }

  void a_failure_comes_out() {
    for (const std::int64_t failing : {0, 1}) {
      const auto run = [&] {
        on_own_threads(2, [&](std::int64_t i) {
          if (i == failing) throw std::runtime_error("no");
        });
      };
      QVERIFY_EXCEPTION_THROWN(run(), std::runtime_error);
    }
  }

  void each_works_on_its_own_thread() {
    for (const std::int64_t count : {1, 2, 5}) {
      std::vector<int> done(static_cast<std::size_t>(count));
      Seen seen;
      std::atomic<int> left_it = 0;
      on_own_threads(count, [&](std::int64_t i) {
        seen.here();
        ++done[static_cast<std::size_t>(i)];
        const std::thread::id own = std::this_thread::get_id();
        for_pieces(0, 1000, 1, [&](std::int64_t, std::int64_t) {
          if (std::this_thread::get_id() != own) ++left_it;
        });
      });
      QCOMPARE(left_it.load(), 0);
      QCOMPARE(done, std::vector<int>(static_cast<std::size_t>(count), 1));
      QCOMPARE(seen.count(), std::size_t(count > 1 ? 2 : 1));
    }
  }

  /// LibTorch sets a thread's numbers when it is first asked there, MKL's with them: not within the
  /// work, whose products on a thread's first step would then have other last bits than later.
  void products_stay_on_a_thread_from_its_first_step_on() {
    using MaxThreads = int (*)();
    const auto most = reinterpret_cast<MaxThreads>(dlsym(RTLD_DEFAULT, "MKL_Get_Max_Threads"));
    if (!most) QSKIP("This LibTorch has no MKL.");
    std::vector<int> before(2), after(2);
    std::thread([&] {  // with a team of its own, whose threads nobody has asked
      on_own_threads(2, [&](std::int64_t i) {
        const auto place = static_cast<std::size_t>(i);
        before[place] = most();
        (void)at::get_num_threads();
        after[place] = most();
      });
    }).join();
    QCOMPARE(before, std::vector<int>(2, 1));
    QCOMPARE(after, std::vector<int>(2, 1));
  }

  /// A thread that has never been asked before knows whether gradients are wanted.
  void gradients_are_made_where_they_are_asked_for() {
    const torch::Tensor weight = torch::ones({4}).set_requires_grad(true);
    for (const bool wanted : {true, false}) {
      const torch::AutoGradMode mode(wanted);
      std::vector<torch::Tensor> made(2);
      on_own_threads(2, [&](std::int64_t i) { made[static_cast<std::size_t>(i)] = weight * 2; });
      for (const torch::Tensor& each : made) QCOMPARE(each.requires_grad(), wanted);
    }
  }
};

QTEST_GUILESS_MAIN(TestParallel)
#include "test_parallel.moc"
