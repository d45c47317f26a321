// SPDX-License-Identifier: GPL-3.0-or-later
// A teacher's likeliest tokens in the place of its whole distribution: with all of them the loss is
// the whole one, with few it is that of what is told apart, and what lies between the two is what
// the others differ in among themselves. Gradients against autograd in float64.
#include <torch/csrc/autograd/autograd.h>

#include "engine/objectives/top_k.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kWide = 12, kWider = 20;

Linear head_of(std::int64_t width, std::int64_t vocabulary) {
  Linear head(width, vocabulary, true, torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  Tensor(head->weight.dense()).copy_(torch::randn({vocabulary, width}));
  head->bias.copy_(torch::randn({vocabulary}));
  return head;
}

/// [rows, vocabulary] float64.
Tensor logs_of(const Tensor& hidden, const Linear& head, double temperature) {
  const Tensor logits =
      at::linear(hidden.to(torch::kFloat64), head->weight.dense().to(torch::kFloat64),
                 head->bias.to(torch::kFloat64));
  return (logits / temperature).log_softmax(1);
}

Tensor apart(const Tensor& p, const Tensor& q) { return (p.exp() * (p - q)).sum(); }

Tensor formula_of(const Tensor& mine, const Tensor& theirs, double beta) {
  if (beta == 0) return apart(theirs, mine);
  if (beta == 1) return apart(mine, theirs);
  const Tensor mixture = ((1 - beta) * mine.exp() + beta * theirs.exp()).log();
  return beta * apart(theirs, mixture) + (1 - beta) * apart(mine, mixture);
}

/// The tokens `ids` and "another one": [rows, k + 1].
Tensor told_apart(const Tensor& logs, const Tensor& ids) {
  const Tensor others = logs.scatter(1, ids, -std::numeric_limits<double>::infinity());
  return at::cat({logs.gather(1, ids), others.logsumexp(1, true)}, 1);
}

struct Pair {
  explicit Pair(std::int64_t rows, std::int64_t vocabulary)
      : head(head_of(kWide, vocabulary)),
        other(head_of(kWider, vocabulary)),
        hidden(torch::randn({rows, kWide}).set_requires_grad(true)),
        seen(torch::randn({rows, kWider})) {}
  TeacherStates teacher() const { return {seen, BareHead(*other)}; }
  Linear head, other;
  Tensor hidden, seen;
};

}  // namespace

class TestTopK : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void of_all_tokens_is_the_whole_data() {
    QTest::addColumn<double>("beta");
    QTest::addColumn<double>("temperature");
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("vocabulary");
    for (const double beta : {0.0, 0.3, 1.0}) {
      QTest::addRow("beta %g", beta) << beta << 1.0 << 9 << 40;
      QTest::addRow("beta %g, warm, several chunks", beta) << beta << 1.6 << 5000 << 1500;
    }
  }
  void of_all_tokens_is_the_whole() {
    QFETCH(double, beta);
    QFETCH(double, temperature);
    QFETCH(int, rows);
    QFETCH(int, vocabulary);
    torch::manual_seed(3);
    const Pair pair(rows, vocabulary);
    const Divergence asked{beta, temperature};
    const TopK kept = top_k_of(pair.teacher(), vocabulary + 7, temperature, vocabulary);
    QCOMPARE(kept.ids.size(1), std::int64_t{vocabulary});
    const HeadDivergence whole = chunked_divergence(pair.hidden, pair.head, pair.teacher(), asked,
                                                    true),
                         got = chunked_divergence(pair.hidden, pair.head, kept, asked, true);
    QVERIFY(std::abs(got.sum.item<double>() / whole.sum.item<double>() - 1) < 1e-5);
    QVERIFY(at::allclose(got.entropy, whole.entropy, 1e-4, 1e-5));
    const Tensor mine = torch::autograd::grad({got.sum}, {pair.hidden})[0],
                 theirs = torch::autograd::grad({whole.sum}, {pair.hidden})[0];
    QVERIFY((mine - theirs).abs().max().item<double>() < 3e-5 * theirs.abs().max().item<double>());
  }

  void of_few_is_what_is_told_apart_data() {
    QTest::addColumn<double>("beta");
    QTest::addColumn<double>("temperature");
    for (const double beta : {0.0, 0.2, 0.5, 1.0}) {
      QTest::addRow("beta %g", beta) << beta << 1.0;
      QTest::addRow("beta %g, warm", beta) << beta << 1.4;
    }
  }
  void of_few_is_what_is_told_apart() {
    QFETCH(double, beta);
    QFETCH(double, temperature);
    torch::manual_seed(4);
    const Pair pair(9, 40);
    const TopK kept = top_k_of(pair.teacher(), 5, temperature, 40);
    QVERIFY(at::all(kept.log_probs.diff(1, 1) <= 0).item<bool>());
    const HeadDivergence got =
        chunked_divergence(pair.hidden, pair.head, kept, {beta, temperature});
    const Tensor mine = logs_of(pair.hidden, pair.head, temperature),
                 theirs = logs_of(pair.seen, pair.other, temperature);
    const Tensor wanted =
        formula_of(told_apart(mine, kept.ids), told_apart(theirs, kept.ids), beta);
    QVERIFY(std::abs(got.sum.item<double>() / wanted.item<double>() - 1) < 1e-5);
    const Tensor slope = torch::autograd::grad({got.sum}, {pair.hidden})[0],
                 right = torch::autograd::grad({wanted}, {pair.hidden})[0];
    QVERIFY((slope - right).abs().max().item<double>() < 3e-5 * right.abs().max().item<double>());
    // What is left out: how the others differ among themselves, which is never below 0.
    const double whole = formula_of(mine, theirs, beta).item<double>(),
                 left = whole - got.sum.item<double>();
    QVERIFY(left > 0);
    const auto others = [&](const Tensor& logs) {
      const Tensor rest = logs.scatter(1, kept.ids, -std::numeric_limits<double>::infinity());
      return std::pair{rest.log_softmax(1), rest.logsumexp(1).exp()};
    };
    const auto [p, of_p] = others(mine.detach());
    const auto [q, of_q] = others(theirs);
    const auto between = [](const Tensor& a, const Tensor& b) {
      return (a.exp() * (a - b)).nan_to_num(0).sum(1);
    };
    if (beta == 0) QVERIFY(std::abs(left - (of_q * between(q, p)).sum().item<double>()) < 1e-4);
    if (beta == 1) QVERIFY(std::abs(left - (of_p * between(p, q)).sum().item<double>()) < 1e-4);
  }

  /// A teacher that is sure leaves next to nothing to the others, and no number breaks.
  void sure_teachers_are_fine() {
    torch::manual_seed(5);
    const Pair pair(4, 30);
    {
      const torch::NoGradGuard no_grad;
      Tensor(pair.other->weight.dense()).mul_(400);
    }
    for (const double beta : {0.0, 0.5, 1.0}) {
      const TopK kept = top_k_of(pair.teacher(), 2, 1, 30);
      const HeadDivergence got = chunked_divergence(pair.hidden, pair.head, kept, {beta, 1});
      QVERIFY(std::isfinite(got.sum.item<double>()));
      const Tensor slope = torch::autograd::grad({got.sum}, {pair.hidden})[0];
      QVERIFY(at::isfinite(slope).all().item<bool>());
    }
  }
};

QTEST_GUILESS_MAIN(TestTopK)
#include "test_top_k.moc"
