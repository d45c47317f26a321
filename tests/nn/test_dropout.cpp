// SPDX-License-Identifier: GPL-3.0-or-later
// Dropout keeps the mean of what it drops from, in bfloat16 too, on the CPU and by the arithmetic
// that other devices use; the same seed drops the same places.
#include "engine/nn/dropout.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

class TestDropout : public QObject {
  Q_OBJECT

 private slots:
  void what_stays_is_not_biased_data() {
    QTest::addColumn<bool>("generator");
    QTest::addColumn<bool>("narrow");
    for (const bool generator : {false, true})
      for (const bool narrow : {false, true})
        QTest::addRow("%s, %s", generator ? "generator" : "hash", narrow ? "bfloat16" : "float32")
            << generator << narrow;
  }
  void what_stays_is_not_biased() {
    QFETCH(bool, generator);
    QFETCH(bool, narrow);
    torch::manual_seed(3);
    const torch::Tensor x =
        torch::rand({1 << 20}).add_(0.5).to(narrow ? torch::kBFloat16 : torch::kFloat32);
    for (const double p : {0.05, 0.1, 0.2, 0.5}) {
      const torch::Tensor y = generator ? dropped_by_generator(x, p, 11) : dropped_out(x, p, 11);
      QCOMPARE(y.scalar_type(), x.scalar_type());
      const torch::Tensor kept = y != 0;
      const double share = kept.to(torch::kFloat64).mean().item<double>();
      QVERIFY(std::abs(share - (1 - p)) < 0.003);
      const double made = y.to(torch::kFloat64).sum().item<double>(),
                   exact = x.to(torch::kFloat64).mul(kept).sum().item<double>() / (1 - p);
      QVERIFY2(std::abs(made / exact - 1) < 1e-4, qPrintable(QString::number(made / exact - 1)));
      const torch::Tensor again =
          generator ? dropped_by_generator(x, p, 11) : dropped_out(x, p, 11);
      QVERIFY(again.equal(y));
      QVERIFY(!(generator ? dropped_by_generator(x, p, 12) : dropped_out(x, p, 12)).equal(y));
    }
  }

  /// Under a seed that stands in memory a device that runs no kernels of ours has the CPU's masks.
  void places_by_operators_are_the_hash_data() {
    QTest::addColumn<bool>("narrow");
    QTest::newRow("float32") << false;
    QTest::newRow("bfloat16") << true;
  }
  void places_by_operators_are_the_hash() {
    QFETCH(bool, narrow);
    torch::manual_seed(3);
    const torch::Tensor x =
        torch::randn({331, 301}).to(narrow ? torch::kBFloat16 : torch::kFloat32);
    for (const double p : {0.05, 0.5, 0.97}) {
      for (const std::uint64_t seed : {1ull, 0xfedcba9876543210ull, 0xffffffffffffffffull}) {
        const torch::Tensor there = torch::tensor({static_cast<std::int64_t>(seed)}, torch::kInt64);
        QVERIFY(dropped_by_places(x, p, there).equal(dropped_out(x, p, seed)));
      }
    }
  }

  void both_at_once_is_one_after_the_other_data() {
    QTest::addColumn<bool>("narrow");
    QTest::newRow("float32") << false;
    QTest::newRow("bfloat16") << true;
  }
  void both_at_once_is_one_after_the_other() {
    QFETCH(bool, narrow);
    torch::manual_seed(3);
    const auto drawn = [&] {
      return torch::randn({331, 301}).to(narrow ? torch::kBFloat16 : torch::kFloat32);
    };
    const torch::Tensor x = drawn(), added = drawn(), sum = drawn();
    for (const double p : {0.05, 0.5}) {
      torch::Tensor apart = sum.clone(), together = sum.clone();
      add_dropped_out(apart, added, p, 11);
      const torch::Tensor left = add_and_drop(together, added.clone(), x, p, 11);
      QVERIFY(together.equal(apart));
      QVERIFY(!together.equal(sum));
      QVERIFY(left.equal(dropped_out(x, p, 11)));
      // What is no piece of memory goes the long way.
      torch::Tensor turned = sum.clone().t();
      const torch::Tensor same = add_and_drop(turned, added.t().contiguous(), x.t(), p, 11);
      QVERIFY(same.equal(dropped_out(x.t(), p, 11)));
      QVERIFY(!turned.equal(sum.t()));
    }
  }
};

QTEST_APPLESS_MAIN(TestDropout)
#include "test_dropout.moc"
