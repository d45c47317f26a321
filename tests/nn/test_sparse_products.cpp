// SPDX-License-Identifier: GPL-3.0-or-later
// A product's two parts under a mask and a gradient at what it drops, against dense products in
// float64 with masks that nn/dropout draws: sizes that fill no panel, rows that drop nothing,
// gradients whose rows lie apart, several threads.
#include "engine/nn/sparse_products.h"

#include <ATen/Parallel.h>

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::uint64_t kSeed = 0x1234567890abcdefull;

Tensor wide(const Tensor& t) { return t.to(torch::kFloat64); }

double error(const Tensor& made, const Tensor& exact) {
  return ((wide(made) - exact).abs().max() / exact.abs().max()).item<double>();
}

struct Case {
  Case(std::int64_t rows, std::int64_t in, std::int64_t out, double p) {
    torch::manual_seed(rows + in + out);
    x = torch::randn({rows, in});
    weight = torch::randn({out, in});
    bias = torch::randn({out});
    factor = torch::randn({out});
    // Columns of a wider tensor, as neighbours' gradients are.
    gradient = torch::randn({rows, out + 48}).slice(1, 32, out + 32);
    const Tensor kept = dropped_out(torch::ones_like(x), p, kSeed);
    dropped = wide(dropped_out(x, p, kSeed));
    goes = wide(kept == 0);
  }
  Tensor x, weight, bias, factor, gradient, dropped, goes;
};

}  // namespace

class TestSparseProducts : public QObject {
  Q_OBJECT

 private slots:
  void init() { threads_ = at::get_num_threads(); }
  void cleanup() { at::set_num_threads(threads_); }

  void formulas_data() {
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("in");
    QTest::addColumn<int>("out");
    QTest::addColumn<double>("p");
    QTest::addColumn<int>("threads");
    QTest::newRow("whole panels") << 256 << 64 << 256 << 0.1 << 1;
    QTest::newRow("the narrowest") << 257 << 16 << 16 << 0.1 << 1;
    QTest::newRow("part of a panel") << 300 << 48 << 208 << 0.05 << 1;
    QTest::newRow("panels of the backward") << 260 << 592 << 1040 << 0.05 << 1;
    QTest::newRow("a wide x has narrower panels") << 256 << 3088 << 80 << 0.02 << 1;
    QTest::newRow("few rows drop anything") << 270 << 32 << 48 << 0.001 << 1;
    QTest::newRow("no row drops anything") << 270 << 32 << 48 << 1e-9 << 1;
    QTest::newRow("three threads") << 301 << 112 << 336 << 0.1 << 3;
  }
  void formulas() {
    QFETCH(int, rows);
    QFETCH(int, in);
    QFETCH(int, out);
    QFETCH(double, p);
    QFETCH(int, threads);
    const Case of(rows, in, out, p);
    if (!sparse::suits(of.x, of.weight, p)) QSKIP("This processor has no AVX-512");
    at::set_num_threads(threads);
    const Tensor w = wide(of.weight), other = wide(of.x) - of.dropped;
    for (const Tensor& bias : {Tensor(), of.bias}) {
      const Tensor y = at::mm(of.x, of.weight.t());
      const Tensor z = sparse::split_product(y, of.x, of.weight, bias, p, kSeed);
      QVERIFY(error(z, at::mm(of.dropped, w.t())) < 1e-6);
      // What is left is a difference of numbers as large as the product.
      const Tensor exact = at::mm(other, w.t()), most = at::mm(wide(of.x), w.t()).abs().max();
      const Tensor far = wide(y) - (bias.defined() ? exact + wide(bias) : exact);
      QVERIFY((far.abs().max() / most).item<double>() < 1e-6);
    }
    const Tensor dx = torch::randn({rows, in}), before = dx.clone();
    sparse::add_where_dropped(dx, of.gradient, of.factor, of.weight, p, kSeed);
    const Tensor added = at::mm(wide(of.gradient) * wide(of.factor), w) * of.goes;
    QVERIFY(error(dx, wide(before) + added) < 1e-6);
    QVERIFY(at::equal(dx.masked_select(of.goes == 0), before.masked_select(of.goes == 0)));
    QVERIFY((p > 1e-6) == at::any(of.goes == 1).item<bool>());
  }

  void the_same_bits_on_any_number_of_threads() {
    const Case of(301, 336, 528, 0.1);
    if (!sparse::suits(of.x, of.weight, 0.1)) QSKIP("This processor has no AVX-512");
    const Tensor whole = at::mm(of.x, of.weight.t());
    std::vector<Tensor> first;
    for (const int threads : {1, 2, 5}) {
      at::set_num_threads(threads);
      const Tensor y = whole.clone(), dx = torch::zeros_like(of.x);
      const Tensor z = sparse::split_product(y, of.x, of.weight, of.bias, 0.1, kSeed);
      sparse::add_where_dropped(dx, of.gradient, of.factor, of.weight, 0.1, kSeed);
      const std::vector<Tensor> made{y, z, dx};
      if (first.empty()) first = made;
      for (std::size_t i = 0; i < made.size(); ++i) QVERIFY(at::equal(made[i], first[i]));
    }
  }

  void what_does_not_suit() {
    const Case of(256, 32, 48, 0.05);
    if (!sparse::suits(of.x, of.weight, 0.05)) QSKIP("This processor has no AVX-512");
    QVERIFY(!sparse::suits(of.x, of.weight, 0));
    QVERIFY(!sparse::suits(of.x, of.weight, 0.5));
    QVERIFY(!sparse::suits(of.x.slice(0, 0, 255), of.weight, 0.05));
    QVERIFY(!sparse::suits(of.x.to(torch::kBFloat16), of.weight, 0.05));
    QVERIFY(!sparse::suits(of.x, of.weight.to(torch::kBFloat16), 0.05));
    QVERIFY(!sparse::suits(of.x, torch::ones({40, 32}), 0.05));
    QVERIFY(!sparse::suits(torch::ones({256, 24}), torch::ones({48, 24}), 0.05));
    QVERIFY(!sparse::suits(of.x, torch::ones({32, 48}).t(), 0.05));
  }

 private:
  int threads_ = 1;
};

QTEST_GUILESS_MAIN(TestSparseProducts)
#include "test_sparse_products.moc"
