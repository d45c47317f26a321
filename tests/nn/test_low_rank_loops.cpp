// SPDX-License-Identifier: GPL-3.0-or-later
// The loops of a low-rank plug with dropout against their formulas in float64, with masks that
// nn/dropout draws; rows that fill no block, ranks that fill no panel, rows that lie apart.
#include "engine/nn/low_rank_loops.h"

#include <ATen/Parallel.h>

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr double kDropout = 0.3, kScale = 1.75;
constexpr std::uint64_t kSeed = 0x1234567890abcdefull;

Tensor wide(const Tensor& t) { return t.to(torch::kFloat64); }

double error(const Tensor& made, const Tensor& exact) {
  return ((wide(made) - exact).abs().max() / exact.abs().max()).item<double>();
}

struct Case {
  Case(std::int64_t rows, std::int64_t in, std::int64_t out, std::int64_t rank) {
    torch::manual_seed(rows + in + out + rank);
    x = torch::randn({rows, in});
    a = torch::randn({rank, in});
    b = torch::randn({out, rank});
    dropped = wide(dropped_out(x, kDropout, kSeed));
    // Columns of a wider tensor, as neighbours' results are.
    y = torch::randn({rows, out + 32}).slice(1, 16, out + 16);
    gradient = torch::randn({rows, out + 48}).slice(1, 32, out + 32);
  }
  Tensor x, a, b, dropped, y, gradient;
};

}  // namespace

class TestLowRankLoops : public QObject {
  Q_OBJECT

 private slots:
  void init() { threads_ = at::get_num_threads(); }
  void cleanup() { at::set_num_threads(threads_); }

  void formulas_data() {
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("in");
    QTest::addColumn<int>("out");
    QTest::addColumn<int>("rank");
    QTest::addColumn<int>("threads");
    QTest::newRow("one row") << 1 << 16 << 16 << 1 << 1;
    QTest::newRow("a block") << 16 << 32 << 48 << 16 << 1;
    QTest::newRow("no whole block") << 37 << 48 << 80 << 8 << 1;
    QTest::newRow("more than a stage") << 50 << 528 << 304 << 16 << 1;
    QTest::newRow("several panels") << 45 << 272 << 64 << 40 << 1;
    QTest::newRow("the most ranks") << 70 << 64 << 64 << 64 << 1;
    QTest::newRow("two threads") << 301 << 96 << 112 << 20 << 2;
  }
  void formulas() {
    QFETCH(int, rows);
    QFETCH(int, in);
    QFETCH(int, out);
    QFETCH(int, rank);
    QFETCH(int, threads);
    const Case of(rows, in, out, rank);
    if (!low_rank::suits(of.x, of.a, of.b)) QSKIP("This processor has no AVX-512");
    at::set_num_threads(threads);

    const Tensor inner = low_rank::inner_of(of.x, of.a, kScale, kDropout, kSeed),
                 exact_inner = kScale * at::mm(of.dropped, wide(of.a).t());
    QVERIFY(error(inner, exact_inner) < 1e-6);

    const Tensor base = of.y.clone(), whole = of.y.clone();
    low_rank::add_outer(of.y, inner, of.b);
    QVERIFY(error(of.y, wide(base) + at::mm(wide(inner), wide(of.b).t())) < 1e-6);

    const auto [dinner, db] = low_rank::inner_gradients(of.gradient, of.b, inner, kScale);
    QVERIFY(error(dinner, kScale * at::mm(wide(of.gradient), wide(of.b))) < 1e-6);
    QVERIFY(error(db, at::mm(wide(of.gradient).t(), wide(inner))) < 2e-6);

    const Tensor dx = torch::randn({rows, in}), before = dx.clone();
    const Tensor da = low_rank::outer_gradients(dx, dinner, of.a, of.x, kDropout, kSeed);
    QVERIFY(error(da, at::mm(wide(dinner).t(), of.dropped)) < 2e-6);
    const Tensor through = at::mm(dinner, of.a);
    const Tensor exact_dx = wide(before) + wide(dropped_out(through, kDropout, kSeed));
    QVERIFY(error(dx, exact_dx) < 2e-6);
  }

  void nothing_beside_the_columns_is_touched() {
    const Case of(21, 32, 48, 8);
    if (!low_rank::suits(of.x, of.a, of.b)) QSKIP("This processor has no AVX-512");
    const Tensor whole = torch::full({21, 80}, 3.0f);
    low_rank::add_outer(whole.slice(1, 16, 64), torch::ones({21, 8}), of.b);
    QVERIFY(at::all(whole.slice(1, 0, 16) == 3).item<bool>());
    QVERIFY(at::all(whole.slice(1, 64) == 3).item<bool>());
    QVERIFY(!at::any(whole.slice(1, 16, 64) == 3).item<bool>());
  }

  void the_same_bits_each_time() {
    const Case of(301, 64, 64, 16);
    if (!low_rank::suits(of.x, of.a, of.b)) QSKIP("This processor has no AVX-512");
    at::set_num_threads(2);
    const Tensor inner = low_rank::inner_of(of.x, of.a, kScale, kDropout, kSeed);
    for (int again = 0; again < 3; ++again) {
      const auto [dinner, db] = low_rank::inner_gradients(of.gradient, of.b, inner, kScale);
      const auto [other, other_db] = low_rank::inner_gradients(of.gradient, of.b, inner, kScale);
      QVERIFY(at::equal(dinner, other) && at::equal(db, other_db));
      const Tensor one = torch::zeros_like(of.x), two = torch::zeros_like(of.x);
      QVERIFY(at::equal(low_rank::outer_gradients(one, dinner, of.a, of.x, kDropout, kSeed),
                        low_rank::outer_gradients(two, dinner, of.a, of.x, kDropout, kSeed)));
      QVERIFY(at::equal(one, two));
    }
  }

  void what_does_not_suit() {
    const Case of(8, 32, 32, 8);
    if (!low_rank::suits(of.x, of.a, of.b)) QSKIP("This processor has no AVX-512");
    QVERIFY(!low_rank::suits(of.x.slice(1, 0, 24), of.a.slice(1, 0, 24).contiguous(), of.b));
    QVERIFY(!low_rank::suits(of.x.to(torch::kBFloat16), of.a, of.b));
    QVERIFY(!low_rank::suits(of.x, torch::ones({65, 32}), torch::ones({32, 65})));
    QVERIFY(!low_rank::suits(of.x, of.a, torch::ones({30, 8})));
  }

 private:
  int threads_ = 1;
};

QTEST_GUILESS_MAIN(TestLowRankLoops)
#include "test_low_rank_loops.moc"
