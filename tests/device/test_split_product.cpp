// SPDX-License-Identifier: GPL-3.0-or-later
// float32 products made of bfloat16 tiles: as near to float64's as float32 can be, of sides that
// lie either way and of any size, over any number of threads to the bit.
#include "engine/device/split_product.h"

#include <ATen/Parallel.h>

#include "engine/device/tiles.h"
#include "engine/device/torch.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

tiles::SplitProduct product_of(const Tensor& a, const Tensor& b, Tensor& result) {
  tiles::SplitProduct product;
  product.a = {a.const_data_ptr<float>(), a.stride(0), a.stride(1)};
  product.b = {b.const_data_ptr<float>(), b.stride(1), b.stride(0)};
  product.result = result.data_ptr<float>();
  product.stride = result.stride(0);
  product.m = a.size(0), product.n = b.size(1), product.k = a.size(1);
  return product;
}

Tensor made(const Tensor& a, const Tensor& b) {
  Tensor result = torch::full({a.size(0), b.size(1)}, std::nan(""));
  tiles::split_product(product_of(a, b, result));
  return result;
}

/// The root of the mean square of the distances from float64's product, each of what the numbers'
/// own sizes add up to.
double error_of(const Tensor& result, const Tensor& a, const Tensor& b) {
  const Tensor wide_a = a.to(torch::kFloat64), wide_b = b.to(torch::kFloat64);
  const Tensor sizes = at::mm(wide_a.abs(), wide_b.abs());
  return ((result.to(torch::kFloat64) - at::mm(wide_a, wide_b)) / sizes)
      .square()
      .mean()
      .sqrt()
      .item<double>();
}

}  // namespace

class TestSplitProduct : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (!tiles::available()) QSKIP("This processor has no tiles");
  }

  void is_no_further_than_a_library_data() {
    QTest::addColumn<int>("m");
    QTest::addColumn<int>("n");
    QTest::addColumn<int>("k");
    QTest::newRow("one block") << 32 << 32 << 32;
    QTest::newRow("less than a tile") << 30 << 20 << 7;
    QTest::newRow("a number more") << 33 << 97 << 129;
    QTest::newRow("a number less") << 127 << 95 << 31;
    QTest::newRow("a half of pairs") << 40 << 48 << 17;
    QTest::newRow("several pieces") << 300 << 900 << 400;
  }
  void is_no_further_than_a_library() {
    QFETCH(int, m);
    QFETCH(int, n);
    QFETCH(int, k);
    torch::manual_seed(3);
    // Numbers of very different sizes, so that small parts of large ones meet.
    const auto drawn = [](int rows, int columns) {
      return torch::randn({rows, columns}) * at::pow(10.0, torch::randn({rows, columns}));
    };
    for (const bool turned_a : {false, true}) {
      for (const bool turned_b : {false, true}) {
        const Tensor a = turned_a ? drawn(k, m).t() : drawn(m, k),
                     b = turned_b ? drawn(n, k).t() : drawn(k, n);
        const double error = error_of(made(a, b), a, b);
        const double plain = error_of(at::mm(a, b), a, b);
        QVERIFY2(error < 1e-7 && error < plain * 1.1,
                 qPrintable(QString("%1 beside %2").arg(error).arg(plain)));
      }
    }
  }

  /// Whole numbers of up to 24 bits in all leave nothing to round: each of the six products counts.
  void loses_no_bit_of_whole_numbers() {
    torch::manual_seed(4);
    const Tensor ones = torch::eye(64);
    const Tensor whole = torch::randint(-(1 << 24) + 1, 1 << 24, {64, 64}).to(torch::kFloat32);
    QVERIFY(at::equal(made(whole, ones), whole));
    QVERIFY(at::equal(made(ones, whole), whole));
    const Tensor a = torch::randint(-2047, 2048, {96, 3}).to(torch::kFloat32),
                 b = torch::randint(-2047, 2048, {3, 96}).to(torch::kFloat32);
    QVERIFY(at::equal(made(a, b),
                      at::mm(a.to(torch::kFloat64), b.to(torch::kFloat64)).to(torch::kFloat32)));
  }

  void scales_adds_and_puts_a_bias() {
    torch::manual_seed(5);
    const Tensor a = torch::randn({70, 150}), b = torch::randn({150, 90}),
                 bias = torch::randn({90});
    const Tensor plain = at::mm(a.to(torch::kFloat64), b.to(torch::kFloat64));
    Tensor wide = torch::randn({70, 128});
    const Tensor before = wide.clone();
    Tensor part = wide.slice(1, 10, 100);
    tiles::SplitProduct product = product_of(a, b, part);
    product.scale = 0.5f;
    product.adds = true;
    tiles::split_product(product);
    QVERIFY(
        at::allclose(part.to(torch::kFloat64), before.slice(1, 10, 100) + plain * 0.5, 0, 1e-5));
    QVERIFY(at::equal(wide.slice(1, 0, 10), before.slice(1, 0, 10)));
    QVERIFY(at::equal(wide.slice(1, 100), before.slice(1, 100)));
    product.adds = false;
    product.bias = bias.const_data_ptr<float>();
    tiles::split_product(product);
    QVERIFY(at::allclose(part.to(torch::kFloat64), bias + plain * 0.5, 0, 1e-5));
  }

  /// Weights that a file has as bfloat16 take half of the products.
  void narrow_numbers_lose_nothing() {
    torch::manual_seed(7);
    const Tensor a = torch::randn({130, 290}),
                 b = torch::randn({290, 100}).to(torch::kBFloat16).to(torch::kFloat32);
    Tensor nearly = b.clone();
    nearly[289][99] += nearly[289][99] / 4096;
    for (const Tensor& each : {b, -b, nearly}) {
      const double error = error_of(made(a, each), a, each);
      QVERIFY(error < error_of(at::mm(a, each), a, each) * 1.1);
    }
    QVERIFY(at::equal(made(a, nearly).slice(1, 0, 96), made(a, b).slice(1, 0, 96)));
    QVERIFY(!at::equal(made(a, nearly), made(a, b)));
  }

  void threads_change_no_bit() {
    torch::manual_seed(6);
    const int threads = at::get_num_threads();
    for (const auto& [m, n] : {std::pair(500, 200), std::pair(200, 500)}) {
      const Tensor a = torch::randn({m, 300}), b = torch::randn({300, n});
      at::set_num_threads(1);
      const Tensor one = made(a, b);
      for (const int several : {2, 3, 4, 64}) {
        at::set_num_threads(several);
        QVERIFY(at::equal(made(a, b), one));
      }
      // And a row's numbers are its own, whichever rows stand beside it.
      QVERIFY(at::equal(made(a.slice(0, 37, 150), b), one.slice(0, 37, 150)));
    }
    at::set_num_threads(threads);
  }

  void what_is_no_number_is_none_afterwards() {
    for (const float each : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
      Tensor a = torch::ones({64, 64});
      a[5][7] = each;
      const Tensor result = made(a, torch::ones({64, 64}));
      QVERIFY(!at::isfinite(result[5]).any().item<bool>());
      QVERIFY(at::isfinite(result.slice(0, 6)).all().item<bool>());
    }
  }
};

QTEST_APPLESS_MAIN(TestSplitProduct)
#include "test_split_product.moc"
