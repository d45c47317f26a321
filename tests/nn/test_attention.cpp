// SPDX-License-Identifier: GPL-3.0-or-later
// Attention over rows laid one after another against the formula on each row alone: padded, grouped
// and equal rows, windows and blocks, masks shared by several calls. And the activations whose
// backward keeps less than ATen's.
#include <cmath>
#include <functional>
#include <limits>

#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/attention.h"
#include "engine/nn/layers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Tensor one_row(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionRule& rule,
               const Tensor& blocks) {
  const std::int64_t seq = q.size(0), groups = q.size(1) / k.size(1);
  const Tensor keys = k.repeat_interleave(groups, 1), values = v.repeat_interleave(groups, 1);
  Tensor scores = at::einsum("qhd,khd->hqk", {q, keys}) / std::sqrt(static_cast<double>(q.size(2)));
  if (rule.softcap > 0) scores = at::tanh(scores / rule.softcap) * rule.softcap;
  Tensor hidden = torch::zeros({seq, seq}, torch::kBool);
  for (std::int64_t i = 0; i < seq; ++i) {
    for (std::int64_t j = 0; j < seq; ++j) {
      const bool near = !rule.window || j > i - *rule.window;
      const bool together = blocks.defined() && blocks[i].item<std::int64_t>() >= 0 &&
                            blocks[i].item<std::int64_t>() == blocks[j].item<std::int64_t>();
      const bool seen =
          !rule.causal || (j <= i && near) || (together && (!rule.window_in_blocks || near));
      hidden.index_put_({i, j}, !seen);
    }
  }
  scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  return at::einsum("hqk,khd->qhd", {scores.softmax(-1), values}).reshape({seq, -1});
}

}  // namespace

class TestAttention : public QObject {
  Q_OBJECT

 private slots:
  void meets_the_formula_row_by_row_data() {
    QTest::addColumn<std::vector<std::int64_t>>("lengths");
    QTest::newRow("equal") << std::vector<std::int64_t>{7, 7, 7};
    QTest::newRow("equal and a filler") << std::vector<std::int64_t>{9, 9, 2};
    QTest::newRow("padded") << std::vector<std::int64_t>{5, 8, 6, 8};
    QTest::newRow("grouped") << std::vector<std::int64_t>{20, 120, 20, 30};
    QTest::newRow("one") << std::vector<std::int64_t>{11};
  }
  void meets_the_formula_row_by_row() {
    QFETCH(std::vector<std::int64_t>, lengths);
    torch::manual_seed(7);
    const RowLayout rows(lengths);
    const Tensor numbers = torch::arange(rows.tokens(), torch::kInt64).div(3, "floor") % 4 - 1;
    std::vector<AttentionRule> rules{{true, {}, 0, 0},      {true, 4, 0, 0},    {true, 3, 0, 0},
                                     {true, 4, 0, 0, true}, {true, 1000, 0, 0}, {false, {}, 0, 0},
                                     {true, 4, 0, 5}};
    for (int round = 0; round < 2; ++round) {  // the second finds the masks of the first
      for (const AttentionRule& rule : rules) {
        for (const bool with_blocks : {false, true}) {
          if (with_blocks && !rule.causal) continue;
          const Tensor blocks = with_blocks ? numbers : Tensor();
          const auto fresh = [&](std::int64_t heads) {
            return torch::randn({rows.tokens(), heads, 8}).set_requires_grad(true);
          };
          const Tensor q = fresh(4), k = fresh(2), v = fresh(2),
                       weights = torch::randn({rows.tokens(), 32});
          const Tensor mixed = attend(q, k, v, rows, rule, blocks);
          const auto got = torch::autograd::grad({(mixed * weights).sum()}, {q, k, v});
          std::vector<Tensor> parts;
          std::int64_t start = 0;
          for (const std::int64_t length : lengths) {
            const auto cut = [&](const Tensor& x) {
              return x.defined() ? x.slice(0, start, start + length) : x;
            };
            parts.push_back(one_row(cut(q), cut(k), cut(v), rule, cut(blocks)));
            start += length;
          }
          const Tensor expected = at::cat(parts);
          const auto wanted = torch::autograd::grad({(expected * weights).sum()}, {q, k, v});
          QVERIFY(at::allclose(mixed, expected, 1e-4, 1e-5));
          for (std::size_t i = 0; i < 3; ++i) QVERIFY(at::allclose(got[i], wanted[i], 1e-4, 1e-4));
        }
      }
    }
  }

  /// Whose memory lives on behind attend(), told by who holds it.
  void what_it_keeps_data() {
    QTest::addColumn<std::vector<std::int64_t>>("lengths");
    QTest::addColumn<int>("kv_heads");
    QTest::addColumn<bool>("causal");
    QTest::addColumn<bool>("kept");
    const std::vector<std::int64_t> alike{5, 5}, two{9, 9, 4}, mixed{4, 9, 200}, unlike{3, 300, 7};
    QTest::newRow("of one length") << alike << 4 << true << true;
    QTest::newRow("keys repeated") << alike << 2 << true << false;
    QTest::newRow("two lengths, in order") << two << 4 << true << true;
    QTest::newRow("two lengths, keys repeated") << two << 2 << false << false;
    QTest::newRow("padded") << std::vector<std::int64_t>{4, 9, 7} << 4 << true << false;
    QTest::newRow("put in order") << mixed << 4 << true << false;
    QTest::newRow("put in order, both ways") << unlike << 4 << false << false;
    QTest::newRow("many lengths in order, both ways")
        << std::vector<std::int64_t>{300, 7, 3} << 4 << false << true;
  }
  void what_it_keeps() {
    QFETCH(std::vector<std::int64_t>, lengths);
    QFETCH(int, kv_heads);
    QFETCH(bool, causal);
    QFETCH(bool, kept);
    const RowLayout rows(lengths);
    AttentionRule rule;
    rule.causal = causal;
    const auto drawn = [&](std::int64_t heads) {
      return torch::randn({rows.tokens(), heads, 16}).set_requires_grad(true);
    };
    const Tensor q = drawn(4), k = drawn(kv_heads), v = drawn(kv_heads);
    const auto holders = [](const Tensor& x) { return x.storage().use_count(); };
    const auto keys = holders(k), values = holders(v);
    const Tensor mixed = attend(q, k, v, rows, rule);
    QCOMPARE(holders(k) > keys, kept);
    QCOMPARE(holders(v) > values, kept);
    QCOMPARE(keeps_as_given(q, 4, kv_heads, 16, rows, rule, {}, false), kept);
    QVERIFY(!keeps_as_given(q, 4, kv_heads, 16, rows, rule, {}, /*before=*/true));
  }

  void makes_a_mask_once_for_all_copies() {
    const RowLayout rows({3, 3});
    const RowLayout copy = rows;
    int made = 0;
    const auto make = [&] {
      ++made;
      return torch::ones({3, 3});
    };
    const Tensor first = rows.once({1}, make), second = copy.once({1}, make);
    QVERIFY(first.is_same(second));
    (void)rows.once({2}, make);
    (void)RowLayout({3, 3}).once({1}, make);
    QCOMPARE(made, 3);
  }

  void activations_and_their_gradients() {
    torch::manual_seed(3);
    using Formula = std::function<Tensor(const Tensor&)>;
    const std::vector<std::pair<Activation, Formula>> all{
        {Activation::Gelu,
         [](const Tensor& x) { return x * 0.5 * (1 + at::erf(x / std::sqrt(2.0))); }},
        {Activation::GeluTanh,
         [](const Tensor& x) {
           return 0.5 * x * (1 + at::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
         }},
        {Activation::QuickGelu, [](const Tensor& x) { return x * at::sigmoid(1.702 * x); }},
        {Activation::Silu, [](const Tensor& x) { return x * at::sigmoid(x); }},
        {Activation::Relu, [](const Tensor& x) { return x.clamp_min(0); }}};
    for (const auto& [activation, formula] : all) {
      const Tensor gate = torch::randn({6, 50}, torch::kFloat64).set_requires_grad(true),
                   up = torch::randn({6, 50}, torch::kFloat64).set_requires_grad(true);
      const Tensor weights = torch::randn({6, 50}, torch::kFloat64);
      const Tensor got = activate(gate, activation), expected = formula(gate);
      QVERIFY(at::allclose(got, expected, 1e-9, 1e-9));
      QVERIFY(at::allclose(torch::autograd::grad({(got * weights).sum()}, {gate})[0],
                           torch::autograd::grad({(expected * weights).sum()}, {gate})[0], 1e-8,
                           1e-8));
      const Tensor both = gated(gate, up, activation), wanted = formula(gate) * up;
      QVERIFY(at::allclose(both, wanted, 1e-9, 1e-9));
      const auto mine = torch::autograd::grad({(both * weights).sum()}, {gate, up}),
                 theirs = torch::autograd::grad({(wanted * weights).sum()}, {gate, up});
      for (std::size_t i = 0; i < 2; ++i) QVERIFY(at::allclose(mine[i], theirs[i], 1e-8, 1e-8));
    }
  }
};

QTEST_GUILESS_MAIN(TestAttention)
#include "test_attention.moc"
