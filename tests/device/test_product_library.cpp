// SPDX-License-Identifier: GPL-3.0-or-later
// The two libraries of products give the same numbers but for the order of their sums, and which of
// them is asked changes only where it is said.
#include "engine/device/product_library.h"
#include "engine/nn/products.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

class TestProductLibrary : public QObject {
  Q_OBJECT

 private slots:
  void the_other_library_for_a_while() {
    torch::manual_seed(1);
    const Tensor x = torch::randn({64, 2048}), weight = torch::randn({256, 2048});
    const ProductLibrary chosen = product_library();
    const Tensor own = linear_product(x, weight, {});
    Tensor other;
    bool both = false;
    {
      const OtherProducts by;
      both = product_library() != chosen;
      other = linear_product(x, weight, {});
    }
    QVERIFY(product_library() == chosen);
    QVERIFY(at::equal(linear_product(x, weight, {}), own));
    const Tensor exact = at::mm(x.to(torch::kFloat64), weight.t().to(torch::kFloat64));
    for (const Tensor& made : {own, other}) {
      const double error =
          ((made.to(torch::kFloat64) - exact).abs().max() / exact.abs().max()).item<double>();
      QVERIFY2(error > 0 && error < 1e-6, std::to_string(error).c_str());
    }
    if (!both) QSKIP("This LibTorch has one library of products");
    QVERIFY(!at::equal(other, own));
  }
};

QTEST_APPLESS_MAIN(TestProductLibrary)
#include "test_product_library.moc"
