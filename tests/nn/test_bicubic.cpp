// SPDX-License-Identifier: GPL-3.0-or-later
// Interpolation as two products is ATen's own, values and gradients.
#include "engine/nn/bicubic.h"

#include <QtTest>

using namespace luthier;

class TestBicubic : public QObject {
  Q_OBJECT

 private slots:
  void products_are_the_interpolation_data() {
    QTest::addColumn<int>("side");
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("columns");
    QTest::newRow("wider") << 7 << 11 << 16;
    QTest::newRow("narrower") << 16 << 5 << 9;
    QTest::newRow("one side stays") << 8 << 8 << 3;
    QTest::newRow("a single point") << 1 << 4 << 2;
  }
  void products_are_the_interpolation() {
    QFETCH(int, side);
    QFETCH(int, rows);
    QFETCH(int, columns);
    torch::manual_seed(3);
    const torch::Tensor table = torch::randn({2, 3, side, side});
    const torch::Tensor weight = torch::randn({2, 3, rows, columns});
    const torch::Tensor left = table.clone().requires_grad_(),
                        right = table.clone().requires_grad_();
    const torch::Tensor by_products = stretch_bicubic_by_products(left, rows, columns);
    const torch::Tensor by_aten =
        at::upsample_bicubic2d(right, {rows, columns}, /*align_corners=*/false);
    QVERIFY(at::allclose(by_products, by_aten, 1e-5, 1e-5));
    (by_products * weight).sum().backward();
    (by_aten * weight).sum().backward();
    QVERIFY(at::allclose(left.grad(), right.grad(), 1e-5, 1e-5));
    QVERIFY(left.grad().abs().max().item<float>() > 0.1f);
  }

  void a_table_in_bfloat16_is_rounded_once() {
    torch::manual_seed(4);
    const torch::Tensor table = torch::randn({1, 4, 6, 6}).to(torch::kBFloat16);
    const torch::Tensor exact = stretch_bicubic_by_products(table.to(torch::kFloat32), 9, 10);
    const torch::Tensor rounded = stretch_bicubic_by_products(table, 9, 10);
    QCOMPARE(rounded.scalar_type(), torch::kBFloat16);
    QVERIFY(at::equal(rounded, exact.to(torch::kBFloat16)));
  }
};

QTEST_GUILESS_MAIN(TestBicubic)
#include "test_bicubic.moc"
