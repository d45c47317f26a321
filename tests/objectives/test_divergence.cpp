// SPDX-License-Identifier: GPL-3.0-or-later
// The distance from a teacher against its formula in float64 and against finite differences: every
// form of it, capped heads, teachers of another width, and what is told of the entropy. Behind an
// adapted head: test_adapted_head.
#include "engine/objectives/head_loss.h"
#include "tests/nn/central_differences.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

constexpr std::int64_t kWidth = 12, kTeacherWidth = 20;

Linear drawn_head(std::int64_t width, std::int64_t vocabulary, double cap) {
  Linear head(width, vocabulary, true, torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  Tensor(head->weight.dense()).copy_(torch::randn({vocabulary, width}));
  head->bias.copy_(torch::randn({vocabulary}));
  head->softcap = cap;
  return head;
}

Tensor log_probs(const Tensor& hidden, const Linear& head, double temperature) {
  Tensor logits = at::linear(hidden.to(torch::kFloat64), head->weight.dense().to(torch::kFloat64),
                             head->bias.to(torch::kFloat64));
  if (head->softcap > 0) logits = at::tanh(logits / head->softcap) * head->softcap;
  return (logits / temperature).log_softmax(1);
}

Tensor distance(const Tensor& p, const Tensor& q) { return (p.exp() * (p - q)).sum(); }

Tensor formula(const Tensor& mine, const Tensor& theirs, double beta) {
  if (beta == 0) return distance(theirs, mine);
  if (beta == 1) return distance(mine, theirs);
  const Tensor mixture = ((1 - beta) * mine.exp() + beta * theirs.exp()).log();
  return beta * distance(theirs, mixture) + (1 - beta) * distance(mine, mixture);
}

}  // namespace

class TestDivergence : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void is_the_formula_data() {
    QTest::addColumn<double>("beta");
    QTest::addColumn<double>("temperature");
    QTest::addColumn<double>("cap");
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("vocabulary");
    for (const double beta : {0.0, 0.2, 0.5, 0.9, 1.0}) {
      QTest::addRow("beta %g", beta) << beta << 1.0 << 0.0 << 9 << 40;
      QTest::addRow("beta %g, warm", beta) << beta << 1.7 << 0.0 << 9 << 40;
      QTest::addRow("beta %g, capped", beta) << beta << 0.6 << 2.5 << 9 << 40;
      QTest::addRow("beta %g, several chunks", beta) << beta << 1.3 << 0.0 << 5000 << 1500;
    }
  }
  void is_the_formula() {
    QFETCH(double, beta);
    QFETCH(double, temperature);
    QFETCH(double, cap);
    QFETCH(int, rows);
    QFETCH(int, vocabulary);
    torch::manual_seed(4);
    const Linear head = drawn_head(kWidth, vocabulary, cap),
                 other = drawn_head(kTeacherWidth, vocabulary, cap * 1.5);
    const Tensor hidden = torch::randn({rows, kWidth}).set_requires_grad(true),
                 seen = torch::randn({rows, kTeacherWidth});
    Tensor weight = head->weight.dense();  // the tensor itself
    const std::vector<Tensor> inputs{hidden, weight.set_requires_grad(true),
                                     head->bias.set_requires_grad(true)};
    const TeacherStates teacher{seen, BareHead(*other)};
    const Divergence asked{beta, temperature};
    const HeadDivergence got = chunked_divergence(hidden, head, teacher, asked, /*entropy=*/true);
    const Tensor mine = log_probs(hidden, head, temperature),
                 wanted = formula(mine, log_probs(seen, other, temperature), beta);
    QVERIFY(std::abs(got.sum.item<double>() / wanted.item<double>() - 1) < 1e-5);
    QVERIFY(at::allclose(got.entropy.to(torch::kFloat64), -(mine.exp() * mine).sum(1), 1e-4, 1e-5));
    const auto made = torch::autograd::grad({got.sum / 7}, inputs),
               theirs = torch::autograd::grad({wanted / 7}, inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const double scale = theirs[i].abs().max().item<double>();
      QVERIFY((made[i] - theirs[i]).abs().max().item<double>() < 3e-5 * scale);
    }
    if (rows > 100) return;
    const auto sum = [&] {
      return chunked_divergence(hidden, head, teacher, asked).sum.to(torch::kFloat64);
    };
    QVERIFY(slope_error(inputs, sum, /*directions=*/3, /*step=*/4e-3) < 5e-3);
    const torch::NoGradGuard no_grad;
    const HeadDivergence without = chunked_divergence(hidden, head, teacher, asked);
    QCOMPARE(without.sum.item<double>(), got.sum.item<double>());
    QVERIFY(!without.entropy.defined());
  }

  /// A model that is its own teacher is where it is to be.
  void nothing_is_left_to_learn_from_oneself() {
    torch::manual_seed(6);
    const Linear head = drawn_head(kWidth, 50, 0);
    const Tensor hidden = torch::randn({8, kWidth}).set_requires_grad(true);
    for (const double beta : {0.0, 0.4, 1.0}) {
      const HeadDivergence got =
          chunked_divergence(hidden, head, {hidden.detach(), BareHead(*head)}, {beta, 1});
      QVERIFY(std::abs(got.sum.item<double>()) < 1e-5);
      const Tensor gradient = torch::autograd::grad({got.sum}, {hidden})[0];
      QVERIFY(gradient.abs().max().item<double>() < 1e-5);
    }
  }

  /// What hangs on a head, or stands in its weight's place, when the loss is made is not the
  /// teacher's.
  void a_bare_head_stays_as_it_stood() {
    torch::manual_seed(8);
    Linear head = drawn_head(kWidth, 30, 3);
    const Tensor rows = torch::randn({5, kWidth});
    const Tensor wanted = head->forward(rows).detach();
    const BareHead bare(*head);
    head->weight.slot() = torch::randn({30, kWidth});
    head->softcap = 0;
    QVERIFY(at::allclose(bare.logits(rows), wanted, 1e-6, 1e-6));
  }

  void no_rows_are_no_distance() {
    const Linear head = drawn_head(kWidth, 30, 0), other = drawn_head(kTeacherWidth, 30, 0);
    const HeadDivergence got =
        chunked_divergence(torch::zeros({0, kWidth}), head,
                           {torch::zeros({0, kTeacherWidth}), BareHead(*other)}, {}, true);
    QCOMPARE(got.sum.item<double>(), 0.0);
    QCOMPARE(got.entropy.numel(), std::int64_t{0});
  }
};

QTEST_GUILESS_MAIN(TestDivergence)
#include "test_divergence.moc"
