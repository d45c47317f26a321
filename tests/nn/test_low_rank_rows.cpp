// SPDX-License-Identifier: GPL-3.0-or-later
// What several low-rank plugs add to rows of one product, against the formula in float64: rows that
// nobody adds to, plugs of unlike ranks, rows that lie apart; and of few rows to the bit what a
// plug adds to its own alone.
#include "engine/nn/low_rank_rows.h"

#include <ATen/Parallel.h>

#include "engine/device/product_library.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

class TestLowRankRows : public QObject {
  Q_OBJECT

 private slots:
  void init() { threads_ = at::get_num_threads(); }
  void cleanup() { at::set_num_threads(threads_); }

  void is_the_formula_data() {
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("in");
    QTest::addColumn<int>("out");
    QTest::addColumn<int>("threads");
    QTest::newRow("as decoding has them") << 32 << 512 << 1408 << 2;
    QTest::newRow("no whole registers") << 9 << 70 << 51 << 1;
    QTest::newRow("more than few") << 200 << 96 << 64 << 2;
  }
  void is_the_formula() {
    QFETCH(int, rows);
    QFETCH(int, in);
    QFETCH(int, out);
    QFETCH(int, threads);
    at::set_num_threads(threads);
    torch::manual_seed(rows + in);
    const c10::InferenceMode inference;
    const Tensor x = torch::randn({rows, in + 16}).slice(1, 16),
                 y = torch::randn({rows, out + 16}).slice(1, 0, out);
    // Three plugs, the second with a bias; before and behind them rows of the base alone.
    const std::int64_t each = rows / 4, first = 1;
    std::vector<LowRankRows> plugs;
    Tensor wanted = y.to(torch::kFloat64);
    for (const std::int64_t rank : {16, 5, 40}) {
      LowRankRows own;
      own.begin = first + static_cast<std::int64_t>(plugs.size()) * each, own.count = each;
      own.low.a = own.low.near_a = torch::randn({rank, in});
      own.low.b = own.low.near_b = torch::randn({out, rank});
      own.low.scale = 0.5 + static_cast<double>(plugs.size());
      if (rank == 5) own.low.bias = torch::randn({out});
      const auto wide = [](const Tensor& t) { return t.to(torch::kFloat64); };
      Tensor added = at::mm(at::mm(wide(x.narrow(0, own.begin, each)), wide(own.low.a).t()),
                            wide(own.low.b).t()) *
                     own.low.scale;
      if (own.low.bias.defined()) added = added + own.low.bias;
      wanted.narrow(0, own.begin, each).add_(added);
      plugs.push_back(std::move(own));
    }
    const Tensor made = y.clone(at::MemoryFormat::Contiguous), strided = y;
    const Tensor before = made.clone();
    add_low_rank(made, x, plugs);
    const double off = ((made - wanted).abs().max() / wanted.abs().max()).item<double>();
    QVERIFY2(off < 1e-6, qPrintable(QString::number(off)));
    if (product_library(rows, in, 16, true) == ProductLibrary::FewRows) {
      for (const LowRankRows& plug : plugs) {
        const Tensor own = before.narrow(0, plug.begin, each).clone();
        LowRankRows alone = plug;
        alone.begin = 0;
        add_low_rank(own, x.narrow(0, plug.begin, each), {alone});
        QVERIFY(torch::equal(own, made.narrow(0, plug.begin, each)));
      }
    }
    add_low_rank(strided, x, plugs);
    QVERIFY((strided - wanted).abs().max().item<double>() <
            1e-6 * wanted.abs().max().item<double>());
  }

 private:
  int threads_ = 1;
};

QTEST_GUILESS_MAIN(TestLowRankRows)
#include "test_low_rank_rows.moc"
