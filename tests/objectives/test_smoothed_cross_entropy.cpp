// SPDX-License-Identifier: GPL-3.0-or-later
// Smoothed labels in chunks against PyTorch's own formula in float64: the sum and each gradient,
// the plain loss where nothing is smoothed, and rows that have no part in it.
#include "engine/objectives/smoothed_cross_entropy.h"

#include <torch/csrc/autograd/autograd.h>

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

struct Head {
  explicit Head(std::int64_t words) : linear(12, words, true, torch::TensorOptions()) {
    const torch::NoGradGuard no_grad;
    weight = linear->weight.dense();  // the tensor itself
    weight.copy_(torch::randn({words, 12}));
    linear->bias.copy_(torch::randn({words}));
    weight.set_requires_grad(true), linear->bias.set_requires_grad(true);
  }
  Linear linear;
  Tensor weight;
};

double differ(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() / wanted.abs().max().item<double>();
}

}  // namespace

class TestSmoothedCrossEntropy : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    torch::manual_seed(3);
  }

  void it_is_the_formula_data() {
    QTest::addColumn<int>("count");
    QTest::addColumn<int>("words");
    QTest::addColumn<double>("smoothing");
    QTest::newRow("some") << 9 << 40 << 0.1;
    QTest::newRow("all") << 9 << 40 << 1.0;
    QTest::newRow("none") << 9 << 40 << 0.0;
    QTest::newRow("several chunks") << 6000 << 1500 << 0.3;
  }
  void it_is_the_formula() {
    QFETCH(int, count);
    QFETCH(int, words);
    QFETCH(double, smoothing);
    const Head head(words);
    const Tensor hidden = torch::randn({count, 12}).set_requires_grad(true),
                 target = torch::randint(words, {count}, torch::kInt64);
    const Tensor got = smoothed_cross_entropy(hidden, head.linear, target, smoothing);
    const Tensor wanted = at::cross_entropy_loss(
        at::linear(hidden.to(torch::kFloat64), head.weight.to(torch::kFloat64),
                   head.linear->bias.to(torch::kFloat64)),
        target, {}, at::Reduction::Sum, -100, smoothing);
    QVERIFY(differ(got, wanted) < 1e-5);
    const std::vector<Tensor> inputs{hidden, head.weight, head.linear->bias};
    const auto mine = torch::autograd::grad({got}, inputs),
               theirs = torch::autograd::grad({wanted}, inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) QVERIFY(differ(mine[i], theirs[i]) < 2e-5);
  }

  void rows_of_no_share_count_nothing() {
    const Head head(40);
    const Tensor all = torch::randn({7, 12}).set_requires_grad(true),
                 target = torch::randint(40, {7}, torch::kInt64);
    Tensor shares = torch::ones({7});
    shares.slice(0, 4).fill_(0);
    const Tensor filled = smoothed_cross_entropy(all, head.linear, target, 0.2, shares),
                 alone = smoothed_cross_entropy(all.slice(0, 0, 4), head.linear,
                                                target.slice(0, 0, 4), 0.2);
    QVERIFY(differ(filled, alone) < 1e-6);
    const std::vector<Tensor> inputs{all, head.weight, head.linear->bias};
    const auto mine = torch::autograd::grad({filled}, inputs),
               theirs = torch::autograd::grad({alone}, inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) QVERIFY(differ(mine[i], theirs[i]) < 1e-6);
  }
};

QTEST_GUILESS_MAIN(TestSmoothedCrossEntropy)
#include "test_smoothed_cross_entropy.moc"
