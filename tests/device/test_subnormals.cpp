// SPDX-License-Identifier: GPL-3.0-or-later
// Subnormal numbers are 0 on every thread that computes while that is asked for, as sums, as what
// comes in and as what products make; and are what they were before and after.
#include "engine/device/subnormals.h"

#include <limits>

#include <ATen/Parallel.h>

#include "engine/device/torch.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr float kSmallest = std::numeric_limits<float>::denorm_min();

/// Of enough numbers that all threads take part in each, what of each product is not 0.
std::vector<std::int64_t> not_zero() {
  const Tensor tiny = torch::full({1 << 20}, 1e-25f), lost = torch::full({1 << 20}, kSmallest);
  const Tensor rows = torch::full({512, 512}, 1e-20f);
  return {at::mul(tiny, tiny * 1e10).count_nonzero().item<std::int64_t>(),  // 1e-40
          at::mul(lost, 1e30).count_nonzero().item<std::int64_t>(),
          at::mm(rows, rows).count_nonzero().item<std::int64_t>()};  // 512 · 1e-40
}

}  // namespace

class TestSubnormals : public QObject {
  Q_OBJECT

 private slots:
  void are_zero_on_all_threads_data() {
    QTest::addColumn<int>("threads");
    QTest::newRow("one") << 1;
    QTest::newRow("several") << 3;
  }
  void are_zero_on_all_threads() {
    QFETCH(int, threads);
    at::set_num_threads(threads);
    const std::vector<std::int64_t> all{1 << 20, 1 << 20, 512 * 512}, none{0, 0, 0};
    QCOMPARE(not_zero(), all);
    {
      const SubnormalsAreZero vanished;
      if (!at::globalContext().setFlushDenormal(true)) QSKIP("This processor cannot.");
      QCOMPARE(not_zero(), none);
    }
    QCOMPARE(not_zero(), all);
  }

  void numbers_of_full_size_stay() {
    const Tensor x = torch::randn({64, 64});
    const Tensor before = at::mm(x, x);
    const SubnormalsAreZero vanished;
    QVERIFY(at::equal(at::mm(x, x), before));
  }
};

QTEST_GUILESS_MAIN(TestSubnormals)
#include "test_subnormals.moc"
