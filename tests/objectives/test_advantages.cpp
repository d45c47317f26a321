// SPDX-License-Identifier: GPL-3.0-or-later
// What samples are worth beside the others of their group, by numbers made by hand.
#include <cmath>

#include "engine/objectives/advantages.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier::advantages;
using torch::Tensor;

namespace {

/// Two prompts' samples with one reward each; the second has four without a difference.
Rewards one_reward() {
  return {torch::tensor({1.f, 2.f, 3.f, NAN, .5f, .5f, .5f, .5f}).view({-1, 1}),
          torch::tensor({2.f}),
          {4, 4}};
}

bool near(const Tensor& got, const std::vector<float>& wanted) {
  return at::allclose(got, torch::tensor(wanted), 1e-5, 1e-6);
}

}  // namespace

class TestAdvantages : public QObject {
  Q_OBJECT

 private slots:
  void a_group_is_compared_within_itself() {
    // Weighed by 2: 2, 4, 6, of mean 4 and deviation 2.
    const float one = 2 / 2.0001f;
    const Judged judged = by_group(one_reward(), {});
    QVERIFY(near(judged.advantages, {-one, 0, one, 0, 0, 0, 0, 0}));
    QVERIFY(judged.alike.slice(0, 4, 8).all().item<bool>());
    QVERIFY(!judged.alike.slice(0, 0, 4).any().item<bool>());
    QVERIFY(near(by_group(one_reward(), {"none", "sum_then_normalize"}).advantages,
                 {-2, 0, 2, 0, 0, 0, 0, 0}));
  }

  void a_generation_has_one_scale() {
    // All there are: 2, 4, 6, 1, 1, 1, 1, of mean 16/7.
    double squares = 0;
    for (const double each : {2., 4., 6., 1., 1., 1., 1.}) squares += std::pow(each - 16. / 7, 2);
    const auto one = static_cast<float>(2 / (std::sqrt(squares / 6) + 1e-4));
    QVERIFY(near(by_group(one_reward(), {"batch", "sum_then_normalize"}).advantages,
                 {-one, 0, one, 0, 0, 0, 0, 0}));
  }

  void rewards_may_be_compared_one_by_one() {
    const Rewards rewards{torch::tensor({0.f, 10.f, 2.f, NAN, 1.f, 5.f, NAN, NAN}).view({-1, 2}),
                          torch::tensor({1.f, .5f}),
                          {2, 2}};
    // The first reward: ±1/√2 in the first group, nothing to compare in the second; the second one
    // has nothing to compare anywhere. The last sample has no reward at all.
    const auto each = static_cast<float>(1 / (std::sqrt(2.) + 1e-4));
    const std::vector<float> sums{-each, each, 0};
    const auto spread = static_cast<float>(std::sqrt(2 * each * each / 2) + 1e-4);
    QVERIFY(near(by_group(rewards, {"group", "normalize_then_sum"}).advantages,
                 {sums[0] / spread, sums[1] / spread, 0, 0}));
  }

  void a_sample_is_compared_with_the_others() {
    // Weighed: 2, 4, 6 and four of 1.
    QVERIFY(near(by_the_others(one_reward(), {}, {}).advantages, {-3, 0, 3, 0, 0, 0, 0, 0}));
    QVERIFY(near(by_the_others(one_reward(), {{{3, 5}}, false}, {}).advantages,
                 {-1.5, 0, 1.5, 0, 0, 0, 0, 0}));
    const Tensor penalty = torch::tensor({0.f, 2.f, 0.f, 9.f, 1.f, 0.f, 0.f, 0.f});
    const std::vector<float> worth{-2, -2, 4, 0, -1, 1.f / 3, 1.f / 3, 1.f / 3};
    QVERIFY(near(by_the_others(one_reward(), {}, penalty).advantages, worth));
    double mean = 0, squares = 0;
    for (std::size_t i = 0; i < 8; ++i) mean += i == 3 ? 0 : worth[i] / 7;
    for (std::size_t i = 0; i < 8; ++i) squares += i == 3 ? 0 : std::pow(worth[i] - mean, 2);
    std::vector<float> wanted;
    for (std::size_t i = 0; i < 8; ++i)
      wanted.push_back(
          i == 3 ? 0 : static_cast<float>((worth[i] - mean) / (std::sqrt(squares / 6) + 1e-4)));
    QVERIFY(near(by_the_others(one_reward(), {std::nullopt, true}, penalty).advantages, wanted));
  }

  void one_that_stands_alone_is_worth_nothing() {
    const Rewards rewards{torch::tensor({3.f, NAN}).view({-1, 1}), torch::tensor({1.f}), {2}};
    QVERIFY(near(by_group(rewards, {}).advantages, {0, 0}));
    QVERIFY(near(by_the_others(rewards, {}, {}).advantages, {0, 0}));
  }
};

QTEST_GUILESS_MAIN(TestAdvantages)
#include "test_advantages.moc"
