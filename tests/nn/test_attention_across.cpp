// SPDX-License-Identifier: GPL-3.0-or-later
// Attention across to other rows and biases on the scores, against the formula on each row alone:
// equal, padded and grouped rows, with and without a gradient for the bias, token by token from a
// cache, and in layers that are made again in the backward.
#include <cmath>
#include <limits>

#include <torch/csrc/autograd/autograd.h>

#include "engine/models/blocks/branches.h"
#include "engine/nn/attention.h"
#include "engine/nn/checkpointing.h"
#include "engine/nn/layers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kHeads = 4, kSize = 6;
const Tensor kNone;

/// One row: queries [seq, heads, size], keys and values [keys, heads, size], bias [heads, seq,
/// keys] or undefined.
Tensor one_row(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionRule& rule,
               const Tensor& bias) {
  const double scale = rule.scale > 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(q.size(2)));
  Tensor scores = at::einsum("qhd,khd->hqk", {q, k}) * scale;
  if (bias.defined()) scores = scores + bias;
  if (rule.causal) {
    const Tensor later = torch::ones({q.size(0), k.size(0)}, torch::kBool).triu(1);
    scores = scores.masked_fill(later, -std::numeric_limits<double>::infinity());
  }
  return at::einsum("hqk,khd->qhd", {scores.softmax(-1), v}).reshape({q.size(0), -1});
}

/// By distance: row `key − query + 40` of a table [81, heads].
Tensor bias_of(const Tensor& table, std::int64_t first, std::int64_t queries, std::int64_t keys) {
  const Tensor distance =
      torch::arange(keys).unsqueeze(0) - torch::arange(first, first + queries).unsqueeze(1);
  return at::embedding(table, distance + 40).permute({2, 0, 1});
}

ScoreBias made_bias(const Tensor& table) {
  return {[table](std::int64_t first, std::int64_t queries, std::int64_t keys) {
            return bias_of(table, first, queries, keys);
          },
          table.requires_grad()};
}

Tensor fresh(std::int64_t tokens, std::int64_t heads = kHeads) {
  return torch::randn({tokens, heads, kSize}).set_requires_grad(true);
}

/// The formula row by row, `memory` the rows of keys and values.
template <typename Row>
Tensor each_row(const RowLayout& rows, const RowLayout& memory, const Row& row) {
  std::vector<Tensor> parts;
  std::int64_t at = 0, seen = 0;
  for (std::size_t i = 0; i < rows.lengths().size(); ++i) {
    const std::int64_t own = rows.lengths()[i], other = memory.lengths()[i];
    parts.push_back(row(at, at + own, seen, seen + other));
    at += own, seen += other;
  }
  return at::cat(parts);
}

}  // namespace

class TestAttentionAcross : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void biases_meet_the_formula_data() {
    QTest::addColumn<std::vector<std::int64_t>>("lengths");
    QTest::newRow("equal") << std::vector<std::int64_t>{7, 7, 7};
    QTest::newRow("equal and a filler") << std::vector<std::int64_t>{9, 9, 2};
    QTest::newRow("of many lengths") << std::vector<std::int64_t>{5, 8, 6, 8};
    QTest::newRow("one") << std::vector<std::int64_t>{11};
  }
  void biases_meet_the_formula() {
    QFETCH(std::vector<std::int64_t>, lengths);
    torch::manual_seed(5);
    const RowLayout rows(lengths);
    for (const bool causal : {false, true}) {
      for (const double scale : {0.0, 1.0}) {
        for (const bool learns : {false, true}) {
          AttentionRule rule;
          rule.causal = causal, rule.scale = scale;
          const Tensor q = fresh(rows.tokens()), k = fresh(rows.tokens()), v = fresh(rows.tokens());
          const Tensor table = torch::randn({81, kHeads}).set_requires_grad(learns),
                       weights = torch::randn({rows.tokens(), kHeads * kSize});
          const ScoreBias bias = made_bias(table);
          const Tensor mixed = attend(q, k, v, rows, rule, {}, nullptr, 0, {}, &bias);
          const Tensor expected = each_row(rows, rows, [&](auto from, auto to, auto, auto) {
            return one_row(q.slice(0, from, to), k.slice(0, from, to), v.slice(0, from, to), rule,
                           bias_of(table, 0, to - from, to - from));
          });
          QVERIFY(at::allclose(mixed, expected, 1e-4, 1e-5));
          std::vector<Tensor> inputs{q, k, v};
          if (learns) inputs.push_back(table);
          const auto got = torch::autograd::grad({(mixed * weights).sum()}, inputs),
                     wanted = torch::autograd::grad({(expected * weights).sum()}, inputs);
          for (std::size_t i = 0; i < inputs.size(); ++i)
            QVERIFY(at::allclose(got[i], wanted[i], 1e-4, 1e-4));
        }
      }
    }
  }

  void a_bias_is_made_once_a_length() {
    int made = 0;
    const Tensor table = torch::randn({81, kHeads});
    const ScoreBias bias(
        [&](std::int64_t first, std::int64_t queries, std::int64_t keys) {
          ++made;
          return bias_of(table, first, queries, keys);
        },
        false);
    const RowLayout rows({5, 8, 5, 8});
    AttentionRule both_ways;
    both_ways.causal = false;
    const Tensor q = fresh(rows.tokens());
    for (int layer = 0; layer < 3; ++layer)
      (void)attend(q, q, q, rows, both_ways, {}, nullptr, 0, {}, &bias);
    QCOMPARE(made, 2);
  }

  void rows_look_across_data() {
    QTest::addColumn<std::vector<std::int64_t>>("lengths");
    QTest::addColumn<std::vector<std::int64_t>>("memory");
    using Lengths = std::vector<std::int64_t>;
    QTest::newRow("equal") << Lengths{4, 4, 4} << Lengths{9, 9, 9};
    QTest::newRow("others of one length") << Lengths{3, 5, 4} << Lengths{6, 6, 6};
    QTest::newRow("of one length, others not") << Lengths{4, 4, 4} << Lengths{7, 2, 7};
    QTest::newRow("all different") << Lengths{3, 5, 4, 5, 3} << Lengths{6, 2, 9, 2, 6};
  }
  void rows_look_across() {
    QFETCH(std::vector<std::int64_t>, lengths);
    QFETCH(std::vector<std::int64_t>, memory);
    torch::manual_seed(6);
    const RowLayout rows(lengths), others(memory);
    AttentionRule rule;
    for (const double scale : {0.0, 1.0}) {
      rule.scale = scale;                        // that it is causal means nothing across
      for (int round = 0; round < 2; ++round) {  // the second finds the gathers of the first
        const Tensor q = fresh(rows.tokens()), k = fresh(others.tokens(), 2),
                     v = fresh(others.tokens(), 2),
                     weights = torch::randn({rows.tokens(), kHeads * kSize});
        const Tensor mixed = attend_across(
            q, rows,
            [&]() -> KeysAndValues {
              return {k, v};
            },
            others, rule);
        AttentionRule all = rule;
        all.causal = false;
        const Tensor expected = each_row(rows, others, [&](auto from, auto to, auto at, auto end) {
          return one_row(q.slice(0, from, to), k.slice(0, at, end).repeat_interleave(2, 1),
                         v.slice(0, at, end).repeat_interleave(2, 1), all, kNone);
        });
        QVERIFY(at::allclose(mixed, expected, 1e-4, 1e-5));
        const auto got = torch::autograd::grad({(mixed * weights).sum()}, {q, k, v}),
                   wanted = torch::autograd::grad({(expected * weights).sum()}, {q, k, v});
        for (std::size_t i = 0; i < 3; ++i) QVERIFY(at::allclose(got[i], wanted[i], 1e-4, 1e-4));
      }
    }
  }

  void token_by_token_as_at_once() {
    torch::manual_seed(7);
    const torch::NoGradGuard no_grad;
    const RowLayout rows({6, 6, 6}), others({4, 4, 4});
    AttentionRule rule;
    rule.scale = 1;
    const Tensor table = torch::randn({81, kHeads});
    const Tensor q = fresh(18), k = fresh(18), v = fresh(18), other = fresh(12);
    const ScoreBias bias = made_bias(table);
    const auto seen = [&]() -> KeysAndValues { return {other, other}; };
    const Tensor whole = attend(q, k, v, rows, rule, {}, nullptr, 0, {}, &bias).view({3, 6, -1}),
                 across = attend_across(q, rows, seen, others, rule).view({3, 6, -1});
    KeyValueCache cache(1, 6);
    std::vector<std::int64_t> left{0, 1, 2};
    int asked = 0;
    for (std::int64_t at = 0; at < 6; ++at) {
      if (at == 3) {  // the second row is done
        left = {0, 2};
        cache.select(torch::tensor(left));
      }
      const Tensor rows_left = torch::tensor(left);
      const auto now = [&](const Tensor& x) {
        return x.view({3, 6, kHeads, kSize}).index_select(0, rows_left).select(1, at).contiguous();
      };
      const RowLayout single(std::vector<std::int64_t>(left.size(), 1));
      const ScoreBias here = made_bias(table);
      const Tensor got = attend(now(q), now(k), now(v), single, rule, {}, &cache, 0, {}, &here);
      const Tensor got_across = attend_across(
          now(q), single, [&] { return ++asked, seen(); }, others, rule, &cache, 0);
      cache.advance(1);
      QVERIFY(at::allclose(got, whole.index_select(0, rows_left).select(1, at), 1e-4, 1e-5));
      QVERIFY(
          at::allclose(got_across, across.index_select(0, rows_left).select(1, at), 1e-4, 1e-5));
    }
    QCOMPARE(asked, 1);
  }

  /// Two layers that share a table of biases and look across to the same states.
  void layers_made_again_have_the_same_gradients() {
    torch::manual_seed(8);
    const RowLayout rows({5, 3, 5}), others({4, 6, 2});
    const torch::TensorOptions options;
    std::vector<Linear> products;
    for (int i = 0; i < 16; ++i) {
      products.emplace_back(24, 24, false, options);
      products.back()->weight.slot().normal_(0, 0.3).set_requires_grad(true);
    }
    const Tensor table = torch::randn({81, kHeads}).set_requires_grad(true);
    const Tensor x = torch::randn({13, 24}).set_requires_grad(true),
                 base = torch::randn({12, 24}).set_requires_grad(true),
                 weights = torch::randn({13, 24});
    AttentionRule rule;
    rule.scale = 1;
    const auto layer = [&](std::size_t first, const LayerFrame& frame, const Tensor& in) {
      Linear* p = &products[first];
      const Tensor y = in + attend_within(in, frame, p[0], p[1], p[2], p[3], kHeads, rule);
      return y + attend_memory(y, frame, p[4], p[5], p[6], p[7], kHeads, rule);
    };
    std::vector<Tensor> leaves{table, x, base};
    for (const Linear& product : products) leaves.push_back(product->weight.leaf());
    std::vector<std::vector<Tensor>> gradients;
    for (const bool again : {false, true}) {
      for (Tensor& leaf : leaves) leaf.mutable_grad().reset();
      const RowStates memory{base.tanh(), others};
      const ScoreBias shared = made_bias(table);
      Tensor y = x * 1;
      for (const std::size_t first : {0u, 8u}) {
        if (!again) {
          y = layer(first, {rows, &shared, &memory}, y);
          continue;
        }
        y = checkpointed(
            [&, first](const Tensor& in, const Tensor& states) {
              const ScoreBias own = made_bias(table);
              const RowStates seen{states, others};
              return layer(first, {rows, &own, &seen}, in);
            },
            y, memory.states);
      }
      (y * weights).sum().backward();
      gradients.emplace_back();
      for (const Tensor& leaf : leaves) gradients.back().push_back(leaf.grad().clone());
    }
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      QVERIFY(gradients[0][i].abs().max().item<double>() > 0);
      QVERIFY(at::allclose(gradients[0][i], gradients[1][i], 1e-4, 1e-5));
    }
  }
};

QTEST_GUILESS_MAIN(TestAttentionAcross)
#include "test_attention_across.moc"
