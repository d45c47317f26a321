// SPDX-License-Identifier: GPL-3.0-or-later
// Who makes products gives the same numbers but for the order of their sums, and who is asked
// changes only where it is said.
#include "engine/device/product_library.h"
#include "engine/device/tiles.h"
#include "engine/nn/products.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

class TestProductLibrary : public QObject {
  Q_OBJECT

 private slots:
  void the_other_library_for_a_while_data() {
    QTest::addColumn<int>("rows");
    QTest::newRow("few rows") << static_cast<int>(kFewRows);
    QTest::newRow("small") << static_cast<int>(kFewRows) + 1;
    QTest::newRow("large") << 128;  // of 2,048 columns
  }
  void the_other_library_for_a_while() {
    QFETCH(int, rows);
    torch::manual_seed(1);
    const Tensor x = torch::randn({rows, 2048}), weight = torch::randn({256, 2048});
    const auto asked = [&] { return product_library(rows, 2048, 256); };
    const ProductLibrary chosen = asked();
    const Tensor own = linear_product(x, weight, {});
    Tensor other;
    bool both = false;
    {
      const OtherProducts by;
      both = asked() != chosen;
      other = linear_product(x, weight, {});
    }
    QVERIFY(asked() == chosen);
    QVERIFY(at::equal(linear_product(x, weight, {}), own));
    const Tensor exact = at::mm(x.to(torch::kFloat64), weight.t().to(torch::kFloat64));
    for (const Tensor& made : {own, other}) {
      const double error =
          ((made.to(torch::kFloat64) - exact).abs().max() / exact.abs().max()).item<double>();
      QVERIFY2(error > 0 && error < 1e-6, std::to_string(error).c_str());
    }
    if (!both) QSKIP("This LibTorch has one library of products, and tiles make none");
    QVERIFY(!at::equal(other, own));
  }

  void a_resumed_run_keeps_its_own_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("mkl_makes");  // of large, small, few rows
    QTest::newRow("MKL") << "mkl"
                         << "lsf";
    QTest::newRow("oneDNN") << "onednn"
                            << "";
    QTest::newRow("few rows by MKL") << "onednn/mkl"
                                     << "f";
    QTest::newRow("few rows by oneDNN") << "mkl/onednn"
                                        << "ls";
    QTest::newRow("large ones by oneDNN") << "onednn/mkl/mkl"
                                          << "sf";
    QTest::newRow("small ones by MKL") << "onednn/mkl/onednn"
                                       << "s";
    QTest::newRow("small ones by oneDNN") << "mkl/onednn/mkl"
                                          << "lf";
    QTest::newRow("large ones by MKL") << "mkl/onednn/onednn"
                                       << "l";
    QTest::newRow("tiles, else MKL") << "tiles+mkl"
                                     << "lsf";
    QTest::newRow("tiles, else oneDNN") << "tiles+onednn"
                                        << "";
    QTest::newRow("tiles, few rows by MKL") << "tiles+onednn/mkl"
                                            << "f";
    QTest::newRow("few rows as they lie, else MKL") << "onednn/mkl+rows"
                                                    << "f";
  }
  void a_resumed_run_keeps_its_own() {
    QFETCH(QString, name);
    QFETCH(QString, mkl_makes);
    const std::string chosen = product_library_name();
    QVERIFY(!chosen.empty());
    keep_products(name.toStdString());
    const std::string kept = product_library_name();
    const bool any = mkl_makes_products();
    const ProductLibrary broad = product_library(512, 512, 512),
                         few = product_library(kFewRows, 512, 512, /*as_it_lies=*/true);
    QString found;  // of products that are one number wide, which tiles do not make
    for (const auto& [rows, in, letter] :
         {std::tuple(1024, 512, 'l'), std::tuple(1024, 16, 's'), std::tuple(1, 512, 'f')}) {
      if (product_library(rows, in, 1) == ProductLibrary::Mkl) found += letter;
    }
    for (const char* other : {"a library of later", "", "mkl/", "/mkl", "tiles+", "tiles+mkl/", "+rows"}) {
      keep_products(name.toStdString());
      keep_products(other);
      QCOMPARE(product_library_name(), chosen);
    }
    if (kept == chosen && kept != name.toStdString())
      QSKIP("LUTHIER_PRODUCTS decides, or this LibTorch or this processor lacks something");
    QCOMPARE(QString::fromStdString(kept), name);
    QCOMPARE(found, mkl_makes);
    QCOMPARE(any, !mkl_makes.isEmpty());
    QCOMPARE(broad == ProductLibrary::Tiles, name.startsWith("tiles+"));
    QCOMPARE(few == ProductLibrary::FewRows, name.endsWith("+rows"));
  }

  void classes_go_by_rows_and_work() {
    QVERIFY(product_class(kFewRows, 1 << 14, 1 << 14) == ProductClass::FewRows);
    QVERIFY(product_class(kFewRows + 1, 64, 64) == ProductClass::Small);
    QVERIFY(product_class(1024, 16, 255) == ProductClass::Small);
    QVERIFY(product_class(1024, 255, 16) == ProductClass::Small);
    QVERIFY(product_class(1024, 16, 256) == ProductClass::Large);
    QVERIFY(product_class(1024, 256, 16) == ProductClass::Large);
  }
};

QTEST_APPLESS_MAIN(TestProductLibrary)
#include "test_product_library.moc"
