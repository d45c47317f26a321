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
  void the_other_library_for_a_while_data() {
    QTest::addColumn<bool>("few");
    QTest::newRow("few rows") << true;
    QTest::newRow("many rows") << false;
  }
  void the_other_library_for_a_while() {
    QFETCH(bool, few);
    torch::manual_seed(1);
    const std::int64_t rows = few ? kFewRows : kFewRows + 1;
    const Tensor x = torch::randn({rows, 2048}), weight = torch::randn({256, 2048});
    const ProductLibrary chosen = product_library(rows);
    const Tensor own = linear_product(x, weight, {});
    Tensor other;
    bool both = false;
    {
      const OtherProducts by;
      both = product_library(rows) != chosen;
      other = linear_product(x, weight, {});
    }
    QVERIFY(product_library(rows) == chosen);
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

  void a_resumed_run_keeps_its_own_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<bool>("mkl_many");
    QTest::addColumn<bool>("mkl_few");
    QTest::newRow("MKL") << "mkl" << true << true;
    QTest::newRow("oneDNN") << "onednn" << false << false;
    QTest::newRow("few rows by MKL") << "onednn/mkl" << false << true;
    QTest::newRow("few rows by oneDNN") << "mkl/onednn" << true << false;
  }
  void a_resumed_run_keeps_its_own() {
    QFETCH(QString, name);
    QFETCH(bool, mkl_many);
    QFETCH(bool, mkl_few);
    const std::string chosen = product_library_name();
    QVERIFY(!chosen.empty());
    keep_products(name.toStdString());
    const std::string kept = product_library_name();
    const bool many = product_library(kFewRows + 1) == ProductLibrary::Mkl,
               few = product_library(kFewRows) == ProductLibrary::Mkl, any = mkl_makes_products();
    for (const char* other : {"a library of later", "", "mkl/", "/mkl"}) {
      keep_products(name.toStdString());
      keep_products(other);
      QCOMPARE(product_library_name(), chosen);
    }
    if (kept == chosen && kept != name.toStdString())
      QSKIP("LUTHIER_PRODUCTS decides, or this LibTorch has one library");
    QCOMPARE(QString::fromStdString(kept), name);
    QCOMPARE(many, mkl_many);
    QCOMPARE(few, mkl_few);
    QCOMPARE(any, mkl_many || mkl_few);
  }
};

QTEST_APPLESS_MAIN(TestProductLibrary)
#include "test_product_library.moc"
