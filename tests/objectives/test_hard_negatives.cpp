// SPDX-License-Identifier: GPL-3.0-or-later
// Of many windows how often each other row is drawn, that no pair is its own, and where a queue of
// vectors has which.
#include <QtTest>

#include "engine/objectives/hard_negatives.h"
#include "engine/objectives/momentum_queue.h"

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kRows = 4;

NegativeDraws draws_of(std::uint64_t seed) {
  MicroBatch rows;
  rows.encoded.resize(kRows);
  draw_negatives(rows, seed);
  NegativeDraws draws;
  for (const EncodedRow& row : rows.encoded) {
    draws.pictures.push_back(row.targets.at(0));
    draws.texts.push_back(row.targets.at(1));
  }
  return draws;
}

/// What a row's other is with which probability: softmax + 1e-4, its own left out.
Tensor wanted(const Tensor& logits) {
  const Tensor shares = (at::softmax(logits, 1) + 1e-4).fill_diagonal_(0);
  return shares / shares.sum(1, /*keepdim=*/true);
}

}  // namespace

class TestHardNegatives : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void others_come_as_they_are_alike() {
    const Tensor logits = torch::tensor({{9.0, 1.0, 2.0, 0.5},
                                         {0.0, 5.0, 0.0, 3.0},
                                         {1.0, 1.0, 1.0, 1.0},
                                         {-40.0, 4.0, -40.0, 30.0}});
    constexpr int kWindows = 1500;
    std::vector<float> pictures(kRows * kRows), texts(kRows * kRows);
    const auto shares = [](std::vector<float>& counts) {
      return torch::from_blob(counts.data(), {kRows, kRows}) / kWindows;
    };
    for (int seed = 0; seed < kWindows; ++seed) {
      const PairMatcher::Pairs pairs =
          pairs_with_negatives(logits, logits.t(), draws_of(static_cast<std::uint64_t>(seed)));
      QCOMPARE(pairs.texts.size(), std::size_t{3 * kRows});
      for (std::size_t i = 0; i < 3 * kRows; ++i) {
        const auto row = static_cast<std::int64_t>(i % kRows);
        if (i < kRows) {
          QCOMPARE(pairs.texts[i], row);
          QCOMPARE(pairs.pictures[i], row);
          continue;
        }
        const bool other_picture = i < 2 * kRows;
        QCOMPARE(other_picture ? pairs.texts[i] : pairs.pictures[i], row);
        const std::int64_t other = other_picture ? pairs.pictures[i] : pairs.texts[i];
        QVERIFY(other != row);
        (other_picture ? pictures : texts)[static_cast<std::size_t>(row * kRows + other)] += 1;
      }
    }
    // Of 1,500 draws a share strays by 0.013 (one deviation).
    QVERIFY((shares(pictures) - wanted(logits)).abs().max().item<double>() < 0.055);
    QVERIFY((shares(texts) - wanted(logits.t())).abs().max().item<double>() < 0.055);
  }

  void draws_go_by_seed_and_row() {
    QCOMPARE(draws_of(7).pictures, draws_of(7).pictures);
    QVERIFY(draws_of(7).pictures != draws_of(8).pictures);
    const NegativeDraws draws = draws_of(7);
    QVERIFY(draws.pictures != draws.texts);
    QVERIFY(draws.pictures[0] != draws.pictures[1]);
  }

  void a_window_of_one_has_its_own_pair() {
    const Tensor one = torch::ones({1, 1});
    const PairMatcher::Pairs pairs = pairs_with_negatives(one, one, {{0.5}, {0.5}});
    QCOMPARE(pairs.texts, std::vector<std::int64_t>{0});
    QCOMPARE(pairs.pictures, std::vector<std::int64_t>{0});
  }

  void queue_is_a_ring_of_unit_vectors() {
    FeatureQueue queue(5, 8, 3, torch::kCPU);
    QVERIFY(at::allclose(queue.images.norm(2, 1), torch::ones({5})));
    QVERIFY(!at::allclose(queue.images, queue.texts));
    const auto window = [](std::int64_t rows, double value) {
      return PairPoints{torch::full({rows, 8}, value), torch::full({rows, 8}, -value)};
    };
    const Tensor last = queue.images[4].clone();
    queue.add(window(3, 1));
    queue.add(window(1, 2));
    QVERIFY(
        at::equal(queue.images.select(1, 0).slice(0, 0, 4), torch::tensor({1.f, 1.f, 1.f, 2.f})));
    QVERIFY(at::equal(queue.images[4], last));
    queue.add(window(2, 3));
    QVERIFY(at::equal(queue.texts.select(1, 0), torch::tensor({-3.f, -1.f, -1.f, -2.f, -3.f})));
    QCOMPARE(queue.next.item<std::int64_t>(), std::int64_t{1});
    queue.add(window(12, 4));
    QVERIFY(queue.images.eq(4).all().item<bool>());
    QCOMPARE(queue.next.item<std::int64_t>(), std::int64_t{3});
    FeatureQueue none(0, 8, 3, torch::kCPU);
    none.add(window(2, 1));
    QCOMPARE(none.images.size(0), std::int64_t{0});
  }
};

QTEST_GUILESS_MAIN(TestHardNegatives)
#include "test_hard_negatives.moc"
