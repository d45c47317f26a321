// SPDX-License-Identifier: GPL-3.0-or-later
// The arithmetic of the reward plot: a scale that holds all and is round, counts that lose nobody,
// and steps put together without one left out.
#include <QtTest>

#include <cmath>
#include <numeric>

#include "ui/train/reward_spread.h"

using namespace luthier;

class TestRewardSpread : public QObject {
  Q_OBJECT

 private slots:
  void scales_are_round_and_hold_all() {
    QCOMPARE(scale_of(0, 1), (RewardScale{0, 1}));
    QCOMPARE(scale_of(0.1, 0.9), (RewardScale{0, 1}));
    QCOMPARE(scale_of(-3, 4), (RewardScale{-4, 4}));
    QCOMPARE(scale_of(2, 2), (RewardScale{1.5, 2.5}));
    for (const auto& [low, high] : {std::pair{-0.37, 12.4}, {1e-6, 3e-6}, {-812.0, -640.0}}) {
      const RewardScale scale = scale_of(low, high);
      QVERIFY(scale.holds(low) && scale.holds(high));
      QVERIFY(scale.high - scale.low < 3 * (high - low));
    }
  }

  void every_answer_is_in_one_bin() {
    const RewardScale scale{0, 1};
    const RewardSpread spread = spread_of(5, {0, 1, 1, 0.5, std::nan(""), 0.49}, scale);
    QCOMPARE(spread.count, std::size_t{5});
    QCOMPARE(spread.mean, (0 + 1 + 1 + 0.5 + 0.49) / 5);
    QCOMPARE(spread.low, 0.0);
    QCOMPARE(spread.high, 1.0);
    QCOMPARE(spread.bins[0], std::size_t{1});
    QCOMPARE(spread.bins[kRewardBins - 1], std::size_t{2});
    QCOMPARE(spread.bins[kRewardBins / 2], std::size_t{1});
    QCOMPARE(spread.bins[kRewardBins / 2 - 1], std::size_t{1});
    QCOMPARE(spread_of(1, {}, scale).count, std::size_t{0});
  }

  void steps_that_are_put_together_are_all_there() {
    const RewardScale scale{0, 100};
    std::vector<RewardSpread> spreads;
    for (int step = 1; step <= 100; ++step)
      spreads.push_back(spread_of(step, {double(step), double(step) / 2}, scale));
    QCOMPARE(joined_spreads(spreads, 100).size(), std::size_t{100});
    const auto joined = joined_spreads(spreads, 7);
    QCOMPARE(joined.size(), std::size_t{7});
    std::size_t count = 0;
    double sum = 0;
    for (std::size_t i = 0; i < joined.size(); ++i) {
      QCOMPARE(joined[i].step, i ? joined[i - 1].last_step + 1 : 1);
      QCOMPARE(std::accumulate(joined[i].bins.begin(), joined[i].bins.end(), std::size_t{0}),
               joined[i].count);
      count += joined[i].count;
      sum += joined[i].mean * static_cast<double>(joined[i].count);
    }
    QCOMPARE(joined.back().last_step, std::int64_t{100});
    QCOMPARE(count, std::size_t{200});
    QCOMPARE(sum, 1.5 * 5050);
  }
};

QTEST_MAIN(TestRewardSpread)
#include "test_reward_spread.moc"
