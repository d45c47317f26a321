// SPDX-License-Identifier: GPL-3.0-or-later
// Products of few rows: float64's but for rounding, of any sizes, and a row's bits whatever stands
// beside it and however many threads there are.
#include "engine/device/few_rows.h"

#include <ATen/Parallel.h>

#include "engine/device/product_library.h"
#include "engine/device/torch.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

class TestFewRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (!few_rows::available()) QSKIP("This processor has no AVX-512");
  }

  void is_the_product_data() {
    QTest::addColumn<int>("in");
    QTest::addColumn<int>("out");
    QTest::newRow("whole registers") << 512 << 256;
    QTest::newRow("a number more, a column more") << 129 << 61;
    QTest::newRow("less than a register") << 7 << 5;
    QTest::newRow("one column") << 48 << 1;
  }
  void is_the_product() {
    QFETCH(int, in);
    QFETCH(int, out);
    torch::manual_seed(1);
    const Tensor weight = torch::randn({out, in}), bias = torch::randn({out});
    for (std::int64_t rows = 1; rows <= kFewRows; rows += rows < 14 ? 1 : 9) {
      const Tensor x = torch::randn({rows, in + 3}).slice(1, 1, in + 1);  // rows lie apart
      const Tensor plain = at::mm(x.to(torch::kFloat64), weight.to(torch::kFloat64).t());
      const auto is_near = [](const Tensor& made, const Tensor& exact) {
        return ((made.to(torch::kFloat64) - exact).abs().max() / exact.abs().max()).item<double>() <
               1e-6;
      };
      QVERIFY(is_near(few_rows_product(x, weight, {}, 1), plain));
      QVERIFY(is_near(few_rows_product(x, weight, bias, 0.5), plain * 0.5 + bias));
      Tensor wide = torch::randn({rows, out + 5});
      const Tensor before = wide.clone();
      Tensor there = wide.slice(1, 2, out + 2);
      put_few_rows(there, x, weight, {}, 2, /*adds=*/true);
      QVERIFY(is_near(there, before.slice(1, 2, out + 2) + 2 * plain));
      QVERIFY(at::equal(wide.slice(1, 0, 2), before.slice(1, 0, 2)));
      QVERIFY(at::equal(wide.slice(1, out + 2), before.slice(1, out + 2)));
    }
  }

  void a_row_is_the_same_in_any_company() {
    torch::manual_seed(2);
    const Tensor weight = torch::randn({700, 600}), x = torch::randn({kFewRows, 600});
    const Tensor all = few_rows_product(x, weight, {}, 1);
    const int threads = at::get_num_threads();
    for (const int used : {1, 2, 3}) {
      at::set_num_threads(used);
      QVERIFY(at::equal(few_rows_product(x, weight, {}, 1), all));
    }
    at::set_num_threads(threads);
    for (std::int64_t row = 0; row < kFewRows; row += 5)
      QVERIFY(at::equal(few_rows_product(x.slice(0, row, row + 1), weight, {}, 1),
                        all.slice(0, row, row + 1)));
    QVERIFY(at::equal(few_rows_product(x.slice(0, 3, 10), weight.slice(0, 8, 100), {}, 1),
                      all.slice(0, 3, 10).slice(1, 8, 100)));
  }
};

QTEST_GUILESS_MAIN(TestFewRows)
#include "test_few_rows.moc"
