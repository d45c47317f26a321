// SPDX-License-Identifier: GPL-3.0-or-later
// The loop that stands for a card's threads: barriers and shuffles are real in it, and a kernel
// that leaves some of its threads waiting, or forgets a barrier, is found out.
#include "tests/kernels/thread_loop.h"

#include <stdexcept>
#include <vector>

#include <QtTest>

using namespace luthier;
using shim::Order;

class TestThreadLoop : public QObject {
  Q_OBJECT

 private slots:
  void every_thread_of_every_block_runs_once() {
    for (const bool meets : {false, true}) {
      std::vector<int> seen(3 * 2 * 64);
      shim::run({3, 2, 64}, meets, Order::Upwards, [&seen] {
        const auto& p = shim::places;
        ++seen[(p.block.y * p.grid_size.x + p.block.x) * p.block_size.x + p.thread.x];
      });
      QCOMPARE(seen, std::vector<int>(seen.size(), 1));
    }
  }

  void barriers_hold_all_threads() {
    for (const Order order : {Order::Upwards, Order::Downwards}) {
      std::vector<int> shared(96);
      bool all = true;
      shim::run({1, 1, 96}, true, order, [&] {
        const unsigned self = shim::places.thread.x;
        for (int round = 1; round <= 3; ++round) {
          shared[self] = round;
          shim::meet_block();
          for (const int each : shared) all = all && each == round;
          shim::meet_block();
        }
        all = all && shim::places.thread.x == self;
      });
      QVERIFY(all);
    }
  }

  void shuffles_stay_within_a_warp() {
    std::vector<float> got(64);
    shim::run({1, 1, 64}, true, Order::Downwards, [&] {
      const unsigned self = shim::places.thread.x;
      float value = static_cast<float>(self);
      for (int mask = 16; mask > 0; mask /= 2) value += shim::exchange(value, mask);
      got[self] = value;
    });
    for (std::size_t i = 0; i < 64; ++i) QCOMPARE(got[i], i < 32 ? 496.0f : 1520.0f);
  }

  void a_missing_barrier_shows_in_one_of_the_orders() {
    std::vector<int> results;
    for (const Order order : {Order::Upwards, Order::Downwards}) {
      int shared = 0, read = 0;
      shim::run({1, 1, 32}, true, order, [&] {
        if (shim::places.thread.x == 0) shared = 7;
        if (shim::places.thread.x == 31) read = shared;  // nothing was waited for
      });
      results.push_back(read);
    }
    QVERIFY(results[0] != results[1]);
  }

  void threads_left_waiting_are_a_fault() {
    QVERIFY_THROWS_EXCEPTION(std::logic_error, shim::run({1, 1, 64}, true, Order::Upwards, [] {
                               if (shim::places.thread.x < 40) shim::meet_block();
                             }));
    QVERIFY_THROWS_EXCEPTION(std::logic_error, shim::run({1, 1, 32}, true, Order::Upwards, [] {
                               if (shim::places.thread.x != 5) shim::exchange(1, 1);
                             }));
    QVERIFY_THROWS_EXCEPTION(
        std::logic_error, shim::run({1, 1, 32}, false, Order::Upwards, [] { shim::meet_block(); }));
    int count = 0;  // and the next grid runs as ever
    shim::run({1, 1, 64}, true, Order::Upwards, [&count] { shim::meet_block(), ++count; });
    QCOMPARE(count, 64);
  }
};

QTEST_APPLESS_MAIN(TestThreadLoop)
#include "test_thread_loop.moc"
