// SPDX-License-Identifier: GPL-3.0-or-later
// The greedy design: what lazy evaluation chooses is what looking at every gain chooses, and near
// enough to the best there is.
#include "engine/device/torch.h"
#include "engine/train/information_gain.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include <algorithm>
#include <cmath>

using namespace luthier;

namespace {

constexpr std::int64_t kWidth = 5;

/// Examples of one to seven tokens: also more than there are directions.
std::vector<torch::Tensor> drawn_examples(int count, std::uint64_t seed) {
  torch::manual_seed(seed);
  std::vector<torch::Tensor> examples;
  for (int i = 0; i < count; ++i) examples.push_back(torch::randn({1 + i % 7, kWidth}));
  return examples;
}

InformationSource source_of(const std::vector<torch::Tensor>& examples) {
  InformationSource source;
  source.examples = examples.size();
  source.width = kWidth;
  source.states = [&](std::size_t i) -> Result<torch::Tensor> { return examples[i]; };
  return source;
}

/// log det(I + Σ x xᵀ / prior).
double information(const std::vector<torch::Tensor>& examples,
                   const std::vector<std::size_t>& which, double prior = 1) {
  torch::Tensor v = torch::eye(kWidth, torch::kFloat64) * prior;
  for (const std::size_t i : which) {
    const torch::Tensor x = examples[i].to(torch::kFloat64);
    v = v + torch::matmul(x.t(), x);
  }
  return torch::logdet(v / prior).item<double>();
}

std::vector<std::size_t> greedy(const std::vector<torch::Tensor>& examples, std::size_t count,
                                double prior) {
  std::vector<std::size_t> chosen;
  while (chosen.size() < count) {
    double best = -1;
    std::size_t which = 0;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (std::find(chosen.begin(), chosen.end(), i) != chosen.end()) continue;
      auto with = chosen;
      with.push_back(i);
      const double here = information(examples, with, prior);
      if (here > best + 1e-9) best = here, which = i;
    }
    chosen.push_back(which);
  }
  return chosen;
}

std::vector<std::size_t> places(const ChosenExamples& chosen) {
  std::vector<std::size_t> all;
  for (const ChosenExample& each : chosen.chosen) all.push_back(each.example);
  return all;
}

}  // namespace

class TestInformationGain : public QObject {
  Q_OBJECT

 private slots:
  void lazy_is_greedy_data() {
    QTest::addColumn<int>("seed");
    QTest::addColumn<double>("prior");
    for (int seed = 0; seed < 6; ++seed)
      QTest::addRow("%d", seed) << seed << std::vector<double>{1, 0.05, 20}[seed % 3];
  }
  void lazy_is_greedy() {
    QFETCH(int, seed);
    QFETCH(double, prior);
    const auto examples = drawn_examples(24, static_cast<std::uint64_t>(seed));
    const auto chosen = choose_examples(source_of(examples), 12, prior);
    QVERIFY(chosen.ok());
    QCOMPARE(places(*chosen), greedy(examples, 12, prior));
    double sum = 0, last = 1e9;
    for (const ChosenExample& each : chosen->chosen) {
      QVERIFY(each.gain <= last + 1e-9);  // what is gained never grows
      sum += last = each.gain;
    }
    QVERIFY(std::abs(sum - information(examples, places(*chosen), prior)) < 1e-6);
    QVERIFY(chosen->looked_at < std::size_t(24 * 12));
  }

  void it_reaches_its_share_of_the_best_choice() {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const auto examples = drawn_examples(9, seed);
      double best = 0;
      for (std::size_t a = 0; a < 9; ++a)
        for (std::size_t b = a + 1; b < 9; ++b)
          for (std::size_t c = b + 1; c < 9; ++c)
            best = std::max(best, information(examples, {a, b, c}));
      const auto chosen = choose_examples(source_of(examples), 3);
      QVERIFY(chosen.ok());
      const double reached = information(examples, places(*chosen));
      QVERIFY(reached <= best + 1e-9);
      QVERIFY(reached >= (1 - std::exp(-1.0)) * best);
    }
  }

  void what_is_known_tells_nothing_new() {
    // The same direction a hundred times, and another one, shorter.
    std::vector<torch::Tensor> examples;
    torch::Tensor known = torch::zeros({1, kWidth}), other = torch::zeros({1, kWidth});
    known[0][0] = 10;
    other[0][1] = 2;
    for (int i = 0; i < 4; ++i) examples.push_back(known.clone());
    examples.push_back(other);
    examples.push_back(torch::zeros({0, kWidth}));
    const auto chosen = choose_examples(source_of(examples), 9);
    QVERIFY(chosen.ok());
    QCOMPARE(places(*chosen), (std::vector<std::size_t>{0, 4, 1, 2, 3, 5}));  // all there are
    QCOMPARE(chosen->chosen.back().gain, 0.0);
  }

  void by_cost_the_cheaper_of_two_comes_first() {
    const auto examples = drawn_examples(14, 5);
    InformationSource source = source_of(examples);
    for (const torch::Tensor& x : examples) source.costs.push_back(static_cast<double>(x.size(0)));
    const auto chosen = choose_examples(source, 6);
    QVERIFY(chosen.ok());
    // Each of them told most for its cost when it was chosen.
    std::vector<std::size_t> before;
    for (const ChosenExample& each : chosen->chosen) {
      const auto worth = [&](std::size_t i) {
        auto with = before;
        with.push_back(i);
        return (information(examples, with) - information(examples, before)) / source.costs[i];
      };
      for (std::size_t i = 0; i < examples.size(); ++i)
        if (std::find(before.begin(), before.end(), i) == before.end())
          QVERIFY(worth(i) <= worth(each.example) + 1e-7);
      before.push_back(each.example);
    }
    QVERIFY(places(*chosen) != places(*choose_examples(source_of(examples), 6)));
  }

  void few_rows_have_the_same_information() {
    torch::manual_seed(3);
    const torch::Tensor long_one = torch::randn({40, kWidth}), few = as_few_rows(long_one);
    QCOMPARE(few.size(0), kWidth);
    QVERIFY(torch::allclose(torch::matmul(few.t(), few), torch::matmul(long_one.t(), long_one),
                            1e-4, 1e-4));
    const torch::Tensor short_one = torch::randn({2, kWidth});
    QVERIFY(torch::equal(as_few_rows(short_one), short_one));
  }

  void faults_and_stops_come_through() {
    const auto examples = drawn_examples(6, 1);
    InformationSource source = source_of(examples);
    source.states = [&](std::size_t i) -> Result<torch::Tensor> {
      if (i == 4) return input_error("broken", "row 5");
      return examples[i];
    };
    const auto broken = choose_examples(source, 2);
    QVERIFY(!broken.ok());
    QCOMPARE(broken.error().where, std::string("row 5"));
    source = source_of(examples);
    source.progress = [](std::size_t chosen, std::size_t) { return chosen < 1; };
    const auto stopped = choose_examples(source, 4);
    QVERIFY(!stopped.ok());
    QCOMPARE(stopped.error().code, ErrorCode::Interrupted);
  }
};

QTEST_APPLESS_MAIN(TestInformationGain)
#include "test_information_gain.moc"
