// SPDX-License-Identifier: GPL-3.0-or-later
// Block by block along the diagonal: beside the whole matrix in float64, forward and backward; rows
// that fill no stretch, one matrix for all blocks, rows that lie apart, any number of threads.
#include "engine/nn/block_loops.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/float_loops.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

/// x + x · M with M whole: zeros but for its blocks.
Tensor by_whole_matrix(const Tensor& x, const Tensor& matrices) {
  const auto blocks = matrices.unbind(0);
  return x + at::matmul(x, at::block_diag(blocks));
}

double off(const Tensor& made, const Tensor& wanted) {
  return ((made.detach().to(torch::kFloat64) - wanted.detach()).norm() / wanted.detach().norm())
      .item<double>();
}

}  // namespace

class TestBlockLoops : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    torch::manual_seed(11);
    threads_ = at::get_num_threads();
  }
  void cleanup() { at::set_num_threads(threads_); }

  void equals_the_whole_matrix_data() {
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("blocks");
    QTest::addColumn<int>("size");
    QTest::addColumn<bool>("loops");
    QTest::newRow("one row") << 1 << 3 << 16 << true;
    QTest::newRow("whole stretches") << 64 << 4 << 32 << true;
    QTest::newRow("no whole stretch") << 37 << 5 << 48 << true;
    QTest::newRow("two threads' work") << 301 << 16 << 32 << true;
    QTest::newRow("one block") << 70 << 1 << 64 << true;
    QTest::newRow("no rows") << 0 << 2 << 32 << true;
    QTest::newRow("blocks of four") << 37 << 6 << 4 << false;
    QTest::newRow("blocks of twenty") << 37 << 2 << 20 << false;
  }
  void equals_the_whole_matrix() {
    QFETCH(int, rows);
    QFETCH(int, blocks);
    QFETCH(int, size);
    QFETCH(bool, loops);
    for (const bool shared : {false, true}) {
      for (const int threads : {1, 2}) {
        at::set_num_threads(threads);
        // Columns of a wider tensor.
        const Tensor x = torch::randn({rows, blocks * size + 8}).slice(1, 8).requires_grad_(true),
                     own = (0.3 * torch::randn({shared ? 1 : blocks, size, size}))
                               .requires_grad_(true),
                     weights = torch::randn({rows, blocks * size});
        const Tensor wide = x.detach().to(torch::kFloat64).requires_grad_(true),
                     wide_own = own.detach().to(torch::kFloat64).requires_grad_(true);
        const auto all = [&](const Tensor& given) { return given.expand({blocks, size, size}); };
        QCOMPARE(block_loops_take(x, all(own)), loops && floats::available());
        const Tensor made = with_block_products(x, all(own)),
                     wanted = by_whole_matrix(wide, all(wide_own));
        QCOMPARE(made.sizes(), wanted.sizes());
        const auto got = torch::autograd::grad({made}, {x, own}, {weights}),
                   exact = torch::autograd::grad({wanted}, {wide, wide_own},
                                                 {weights.to(torch::kFloat64)});
        if (rows == 0) {
          QVERIFY(got[1].abs().max().item<float>() == 0);
          continue;
        }
        QVERIFY(off(made, wanted) < 1e-6);
        QVERIFY(off(block_products(x, all(own)), wanted - wide) < 1e-6);
        for (std::size_t i = 0; i < got.size(); ++i) QVERIFY(off(got[i], exact[i]) < 1e-6);
      }
    }
  }

  /// The same bits whatever the number of threads, and only what is asked for.
  void depends_on_sizes_alone() {
    const Tensor x = torch::randn({2, 150, 64}), own = torch::randn({2, 32, 32}),
                 weights = torch::randn({2, 150, 64});
    std::vector<Tensor> kept;
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      const Tensor leaf = own.detach().requires_grad_(true);
      const Tensor made = with_block_products(x, leaf);
      const Tensor slope = torch::autograd::grad({made}, {leaf}, {weights})[0];
      if (kept.empty())
        kept = {made.detach(), slope};
      else
        QVERIFY(made.detach().equal(kept[0]) && slope.equal(kept[1]));
    }
    const torch::NoGradGuard no_grad;
    QVERIFY(with_block_products(x, own).equal(kept[0]));
    QCOMPARE(with_block_products(x.to(torch::kBFloat16), own).scalar_type(), torch::kBFloat16);
  }

 private:
  int threads_ = 1;
};

QTEST_GUILESS_MAIN(TestBlockLoops)
#include "test_block_loops.moc"
