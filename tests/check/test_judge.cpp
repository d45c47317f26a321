// SPDX-License-Identifier: GPL-3.0-or-later
// What counts as the same numbers, and what does not: rounding in another order does, products of
// shortened factors and wrong gradients do not.
#include "engine/check/judge.h"

#include <limits>

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr auto kFloat = torch::kFloat32, kHalf = torch::kBFloat16;

NamedGradients gradients(double factor = 1, double small = 0) {
  const Tensor wide = torch::linspace(-1, 1, 200).view({10, 20}) * factor,
               other = torch::linspace(0.1, 0.3, 12) * factor;
  return {{"wide", wide}, {"other", other}, {"zero", torch::full({12}, small)}};
}

NamedGradients rounded(const NamedGradients& from, torch::ScalarType type) {
  NamedGradients made;
  for (const auto& [name, tensor] : from)
    made.emplace_back(name, tensor.to(type).to(torch::kFloat32));
  return made;
}

}  // namespace

class TestJudge : public QObject {
  Q_OBJECT

 private slots:
  void float32_data() {
    QTest::addColumn<double>("factor");
    QTest::addColumn<double>("small");
    QTest::addColumn<bool>("same");
    QTest::newRow("equal") << 1.0 << 0.0 << true;
    QTest::newRow("the last bits") << 1 + 3e-6 << 0.0 << true;
    QTest::newRow("noise where the gradient is zero") << 1.0 << 2e-6 << true;
    QTest::newRow("factors of ten bits") << 1 + 5e-4 << 0.0 << false;
    QTest::newRow("a gradient where there is none") << 1.0 << 1e-2 << false;
    QTest::newRow("nothing") << 0.0 << 0.0 << false;
    QTest::newRow("another sign") << -1.0 << 0.0 << false;
    QTest::newRow("not a number") << std::numeric_limits<double>::quiet_NaN() << 0.0 << false;
  }
  void float32() {
    QFETCH(double, factor);
    QFETCH(double, small);
    QFETCH(bool, same);
    const NamedGradients truth = gradients();
    const Farthest most = farthest(gradients(factor, small), truth, truth, kFloat);
    QVERIFY2(same == (most.share <= 1), qPrintable(QString::number(most.share)));
    QCOMPARE(same, share_of_allowed(6 * factor + 60 * small, 6, 6, kFloat) <= 1);
  }

  void the_farthest_is_named() {
    NamedGradients found = gradients();
    found[1].second = found[1].second + 0.1;
    QCOMPARE(farthest(found, gradients(), gradients(), kFloat).name, std::string("other"));
  }

  void bfloat16_is_measured_by_its_own_rounding() {
    const NamedGradients truth = gradients(), same = rounded(truth, kHalf);
    QVERIFY(farthest(same, same, truth, kHalf).share <= 1);
    QVERIFY(farthest(gradients(1 + kBfloat16Bit), same, truth, kHalf).share <= 1);
    QVERIFY(farthest(gradients(1.1), same, truth, kHalf).share > 1);
    QVERIFY(farthest(gradients(1, 0.1), same, truth, kHalf).share > 1);
    QVERIFY(share_of_allowed(6.02, 6.01, 6, kHalf) <= 1);
    QVERIFY(share_of_allowed(6.2, 6.01, 6, kHalf) > 1);
  }

  void what_lacks_is_far() {
    NamedGradients fewer = gradients();
    fewer.pop_back();
    QVERIFY(farthest(fewer, gradients(), gradients(), kFloat).share > 1);
    NamedGradients another = gradients();
    another[0].second = another[0].second.view({200});
    QVERIFY(farthest(another, gradients(), gradients(), kFloat).share > 1);
  }
};

QTEST_GUILESS_MAIN(TestJudge)
#include "test_judge.moc"
