// SPDX-License-Identifier: GPL-3.0-or-later
// In bfloat16 a result is rounded once, at its end, where the arithmetic between is ours to choose:
// each is compared with the same in float32 of the same numbers, rounded. Attention's gradients,
// which round on their way, are held against float64 and against LibTorch's own.
#include <cmath>
#include <functional>
#include <limits>

#include "engine/nn/attention.h"
#include "engine/nn/layers.h"
#include "engine/nn/loop_attention.h"
#include "engine/nn/products.h"
#include "engine/nn/tile_loops.h"

#include <torch/csrc/autograd/autograd.h>

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Tensor narrow(const Tensor& x) { return x.detach().to(torch::kBFloat16).set_requires_grad(true); }

/// The largest difference, in units of what one rounding may cost each number.
double roundings(const Tensor& got, const Tensor& wanted) {
  const Tensor apart = (got.to(torch::kFloat64) - wanted.to(torch::kFloat64)).abs();
  return (apart / (wanted.to(torch::kFloat64).abs() * std::exp2(-8) + 1e-6)).max().item<double>();
}

/// How a product of queries, keys and values is made, and its gradients by `weights`.
using Mix = std::function<Tensor(const Tensor&, const Tensor&, const Tensor&)>;
std::vector<Tensor> gradients_of(const Mix& mix, const std::vector<Tensor>& states,
                                 const Tensor& weights, torch::ScalarType type) {
  std::vector<Tensor> leaves, made;
  for (const Tensor& each : states)
    leaves.push_back(each.detach().to(type).set_requires_grad(true));
  mix(leaves[0], leaves[1], leaves[2]).backward(weights.to(type));
  for (const Tensor& leaf : leaves) made.push_back(leaf.grad().to(torch::kFloat64));
  return made;
}

double share_off(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).norm().item<double>() / wanted.norm().item<double>();
}

}  // namespace

class TestBfloat16 : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

  void product_of_states_that_lie_column_by_column() {
    const Tensor x = torch::randn({3, 40, 24}).to(torch::kBFloat16).transpose(1, 2),
                 weight = torch::randn({17, 40}).to(torch::kBFloat16),
                 bias = torch::randn({17}).to(torch::kBFloat16);
    const auto wide = [](const Tensor& each) { return each.to(torch::kFloat64); };
    const Tensor got = linear_product(x, weight, bias);
    QCOMPARE(got.sizes().vec(), (std::vector<std::int64_t>{3, 24, 17}));
    const Tensor wanted = at::linear(wide(x), wide(weight), wide(bias)).to(torch::kBFloat16);
    // Sums of float32 may still fall on the other side of a rounding.
    const double other = wide(got).ne(wide(wanted)).to(torch::kFloat64).mean().item<double>();
    QVERIFY2(other < 0.01, qPrintable(QString::number(other)));
  }

  void slope_of_quick_gelu() {
    const Tensor x = narrow(torch::randn({400, 9})), wide = x.detach().to(torch::kFloat32);
    const Tensor weights = torch::randn({400, 9}).to(torch::kBFloat16);
    activate(x, Activation::QuickGelu).backward(weights);
    const Tensor share = at::sigmoid(wide * 1.702);
    const Tensor wanted = weights.to(torch::kFloat32) * share * (1 + 1.702 * wide * (1 - share));
    QVERIFY(roundings(x.grad(), wanted) < 1.1);
  }

  void scores_with_a_bias_that_learns() {
    const std::int64_t seq = 24, heads = 3, size = 8;
    const RowLayout rows({seq, seq});
    const auto states = [&] { return narrow(3 * torch::randn({2 * seq, heads, size})); };
    const Tensor q = states(), k = states(), v = states(), table = narrow(torch::randn({heads, 1}));
    const ScoreBias bias{[&](std::int64_t, std::int64_t queries, std::int64_t keys) {
                           return table.unsqueeze(1).expand({heads, queries, keys}) *
                                  torch::arange(keys, torch::kBFloat16);
                         },
                         true};
    AttentionRule rule;
    rule.causal = false, rule.scale = 1;
    const Tensor mixed = attend(q, k, v, rows, rule, {}, nullptr, 0, {}, &bias);
    const auto split = [&](const Tensor& x) {
      return x.detach().to(torch::kFloat64).view({2, seq, heads, size}).transpose(1, 2);
    };
    const Tensor added = bias.of(0, seq, seq).detach().to(torch::kFloat64);
    const Tensor shares = (at::matmul(split(q), split(k).transpose(-1, -2)) + added).softmax(-1);
    const Tensor wanted =
        at::matmul(shares, split(v)).transpose(1, 2).reshape({2 * seq, heads * size});
    QVERIFY(roundings(mixed, wanted) < 1.1);
  }

  void gradients_of_attention_data() {
    QTest::addColumn<std::int64_t>("length");
    QTest::addColumn<std::int64_t>("size");
    QTest::addColumn<bool>("causal");
    for (const std::int64_t length : {32, 45, 128, 129, 300})
      for (const std::int64_t size : {32, 64, 96, 256})
        for (const bool causal : {false, true})
          QTest::addRow("%d tokens of %d, %s", int(length), int(size), causal ? "causal" : "all")
              << length << size << causal;
  }
  void gradients_of_attention() {
    QFETCH(std::int64_t, length);
    QFETCH(std::int64_t, size);
    QFETCH(bool, causal);
    const auto drawn = [&](std::int64_t heads) {
      return (1.5 * torch::randn({2, length, heads, size})).to(torch::kBFloat16).transpose(1, 2);
    };
    // Queries that stand in a wider tensor, as those of a joined product do.
    const std::vector<Tensor> states{drawn(5).slice(1, 1, 4), drawn(3), drawn(3)};
    const Tensor weights = drawn(3);
    const Mix formula = [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      Tensor scores = at::matmul(q, k.transpose(-1, -2)) / std::sqrt(static_cast<double>(size));
      if (causal) {
        const Tensor hidden = torch::ones({length, length}, torch::kBool).triu(1);
        scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
      }
      return at::matmul(scores.softmax(-1), v);
    };
    const Mix libtorch = [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      return at::scaled_dot_product_attention(q, k, v, {}, 0.0, causal);
    };
    const Sight sight = causal ? Sight::Causal : Sight::All;
    const Mix ours = [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      return loops_take(q, k, v, sight) ? loop_attention(q, k, v, sight, {}) : libtorch(q, k, v);
    };
    const auto wanted = gradients_of(formula, states, weights, torch::kFloat64),
               theirs = gradients_of(libtorch, states, weights, torch::kBFloat16),
               made = gradients_of(ours, states, weights, torch::kBFloat16);
    // How the results were rounded, on which the gradients rest, differs from theirs: a gradient
    // alone may be a few hundredths better or worse, all of them together are not worse.
    double off_in_all = 0, theirs_in_all = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const double off = share_off(made[i], wanted[i]);
      QVERIFY2(off < 0.006, qPrintable(QString::number(off)));
      off_in_all += off, theirs_in_all += share_off(theirs[i], wanted[i]);
    }
    QVERIFY2(off_in_all <= 1.02 * theirs_in_all,
             qPrintable(QString::number(off_in_all / theirs_in_all)));
    QVERIFY(!tiles::available() || loops_take(narrow(states[0]), states[1], states[2], sight));
    const auto result_of = [&](const Mix& mix, torch::ScalarType type) {
      std::vector<Tensor> given;
      for (const Tensor& each : states)
        given.push_back(each.detach().to(type).set_requires_grad(true));
      return mix(given[0], given[1], given[2]).detach();
    };
    const Tensor result = result_of(formula, torch::kFloat64);
    const double off = share_off(result_of(ours, torch::kBFloat16), result);
    QVERIFY2(off < 0.004, qPrintable(QString::number(off)));
    QVERIFY(off <= 1.02 * share_off(result_of(libtorch, torch::kBFloat16), result));
  }

  /// It reaches the loss, which refuses the step, and the gradient.
  void what_is_no_number_stays_none() {
    const auto drawn = [] { return narrow(torch::randn({1, 1, 70, 32})); };
    Tensor broken = torch::randn({1, 1, 70, 32});
    broken.index_put_({0, 0, 40, 3}, std::numeric_limits<double>::quiet_NaN());
    const Tensor q = narrow(broken), k = drawn(), v = drawn();
    if (!loops_take(q, k, v, Sight::Causal)) QSKIP("This processor has no tiles.");
    const Tensor result = loop_attention(q, k, v, Sight::Causal, {});
    const Tensor bad = result.detach().isnan().any(-1).flatten();
    QVERIFY(bad[40].item<bool>());
    QCOMPARE(bad.sum().item<std::int64_t>(), std::int64_t(1));
    const auto made = torch::autograd::grad({result.sum()}, {q, k});
    QVERIFY(made[0].isnan().any().item<bool>() && made[1].isnan().any().item<bool>());
  }

  void what_tiles_do_not_take() {
    const auto drawn = [](std::int64_t heads, std::int64_t length, std::int64_t size) {
      return narrow(torch::randn({1, heads, length, size}));
    };
    const auto take = [](const Tensor& q, const Tensor& k) {
      return loops_take(q, k, k, Sight::Causal);
    };
    const Tensor x = drawn(2, 64, 64);
    QCOMPARE(take(x, x), tiles::available());
    const Tensor wide = x.detach().to(torch::kFloat32).requires_grad_(true);
    QVERIFY(!take(wide.to(torch::kFloat64), x));
    QVERIFY(!take(x.detach(), x.detach()));  // no gradient to come
    QVERIFY(!take(x, drawn(2, 65, 64)));
    for (const Tensor& other : {drawn(2, 64, 40), drawn(2, 8, 64)}) QVERIFY(!take(other, other));
    QVERIFY(!loops_take(x, x, x, Sight::Stretches));
  }
};

QTEST_GUILESS_MAIN(TestBfloat16)
#include "test_bfloat16.moc"
