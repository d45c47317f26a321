// SPDX-License-Identifier: GPL-3.0-or-later
// Attention's loops in float32 beside the formula in float64: rows that fill no block, heads of all
// sizes that they take, queries that stand in a wider tensor; and what goes LibTorch's way.
#include "engine/nn/loop_attention.h"

#include <cmath>
#include <limits>
#include <vector>

#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/attention.h"
#include "engine/nn/float_loops.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Tensor formula(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, double scale) {
  Tensor scores = at::matmul(q, k.transpose(-1, -2)) * scale;
  if (causal) {
    const Tensor hidden = torch::ones({q.size(2), q.size(2)}, torch::kBool).triu(1);
    scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  }
  return at::matmul(scores.softmax(-1), v);
}

std::vector<Tensor> leaves(const std::vector<Tensor>& states, torch::ScalarType type) {
  std::vector<Tensor> made;
  for (const Tensor& each : states) made.push_back(each.detach().to(type).requires_grad_(true));
  return made;
}

/// The share by which `got` is off, all numbers together.
double share_off(const Tensor& got, const Tensor& wanted) {
  return (got.detach().to(torch::kFloat64) - wanted.detach()).norm().item<double>() /
         wanted.detach().norm().item<double>();
}

}  // namespace

class TestLoopAttention : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

  void equals_the_formula_data() {
    QTest::addColumn<std::int64_t>("length");
    QTest::addColumn<std::int64_t>("size");
    for (const std::int64_t length : {8, 25, 32, 45, 64, 65, 96, 129, 300})
      for (const std::int64_t size : {32, 64, 96, 256})
        QTest::addRow("%d tokens of %d", int(length), int(size)) << length << size;
  }
  void equals_the_formula() {
    QFETCH(std::int64_t, length);
    QFETCH(std::int64_t, size);
    const auto drawn = [&](std::int64_t heads) {
      return (1.5 * torch::randn({2, length, heads, size})).transpose(1, 2);
    };
    const std::vector<Tensor> states{drawn(5).slice(1, 1, 4), drawn(3), drawn(3)};
    const Tensor weights = drawn(3);
    for (const bool causal : {false, true}) {
      const Sight sight = causal ? Sight::Causal : Sight::All;
      const double scale = (causal ? 1.3 : 1) / std::sqrt(static_cast<double>(size));
      std::vector<Tensor> narrow = leaves(states, torch::kFloat32),
                          wide = leaves(states, torch::kFloat64);
      if (!loops_take(narrow[0], narrow[1], narrow[2], sight)) {
        QVERIFY(!floats::available());
        QSKIP("This processor has no AVX-512.");
      }
      const auto given = causal ? std::optional<double>(scale) : std::nullopt;
      const Tensor made = loop_attention(narrow[0], narrow[1], narrow[2], sight, given),
                   wanted = formula(wide[0], wide[1], wide[2], causal, scale);
      // Long sums of float32 are off by about a millionth, LibTorch's too.
      const Tensor theirs =
          at::scaled_dot_product_attention(narrow[0], narrow[1], narrow[2], {}, 0.0, causal, given);
      const double off = share_off(made, wanted);
      QVERIFY2(off < 1.5e-6 || off < 1.25 * share_off(theirs, wanted),
               qPrintable(QString::number(off)));
      const auto got = torch::autograd::grad({made}, narrow, {weights}),
                 exact = torch::autograd::grad({wanted}, wide, {weights.to(torch::kFloat64)});
      for (std::size_t i = 0; i < got.size(); ++i) {
        const double apart = share_off(got[i], exact[i]);
        QVERIFY2(apart < 2e-6, qPrintable(QString::number(apart)));
      }
    }
  }

  /// Prefixes: no query stands before the rows' own, and all of these see every key before them.
  void takes_keys_before_the_rows() {
    const std::int64_t count = 5, seq = 29, size = 32;
    const RowLayout rows(std::vector<std::int64_t>{seq, seq});
    const auto drawn = [&](std::int64_t tokens, std::int64_t heads) {
      return 1.5 * torch::randn({tokens, heads, size});
    };
    const std::vector<Tensor> states{drawn(2 * seq, 4), drawn(2 * seq, 2), drawn(2 * seq, 2),
                                     drawn(count, 2), drawn(count, 2)};
    const Tensor weights = drawn(2 * seq, 4).reshape({2 * seq, -1});
    const auto mixed = [&](const std::vector<Tensor>& x) {
      return attend(x[0], x[1], x[2], rows, {}, {}, nullptr, 0, {x[3], x[4]});
    };
    const std::vector<Tensor> narrow = leaves(states, torch::kFloat32),
                              wide = leaves(states, torch::kFloat64);
    const Tensor made = mixed(narrow), masked = mixed(wide);  // float64 goes LibTorch's way
    QVERIFY(share_off(made, masked) < 1.5e-6);
    const auto got = torch::autograd::grad({made}, narrow, {weights}),
               exact = torch::autograd::grad({masked}, wide, {weights.to(torch::kFloat64)});
    for (std::size_t i = 0; i < got.size(); ++i) QVERIFY(share_off(got[i], exact[i]) < 2e-6);
    // Row by row by the formula, each query behind those keys.
    const auto whole = [&](std::size_t i, const Tensor& before) {
      const Tensor row = wide[i].slice(0, 0, seq);
      return (before.defined() ? at::cat({before, row}) : row)
          .repeat_interleave(before.defined() ? 2 : 1, 1)
          .transpose(0, 1)
          .unsqueeze(0);
    };
    const Tensor keys = whole(1, wide[3]), values = whole(2, wide[4]),
                 queries = at::constant_pad_nd(whole(0, {}), {0, 0, count, 0});
    const Tensor wanted = formula(queries, keys, values, true, 1 / std::sqrt(double(size)))
                              .slice(2, count)
                              .transpose(1, 2)
                              .reshape({seq, -1});
    QVERIFY(share_off(made.slice(0, 0, seq), wanted) < 1.5e-6);
  }

  /// Windows and tokens that see one another both ways, beside the masks that float64 goes by.
  void sees_stretches_of_keys_data() {
    QTest::addColumn<std::vector<std::int64_t>>("lengths");
    QTest::addColumn<std::int64_t>("window");
    QTest::addColumn<bool>("window_in_blocks");
    QTest::addColumn<bool>("blocks");
    QTest::addColumn<std::int64_t>("before");
    const std::vector<std::int64_t> equal{133, 133}, mixed{133, 70}, apart{150, 9, 70};
    for (const std::int64_t window : {0, 2, 40, 400}) {
      for (const bool within : {false, true}) {
        QTest::addRow("equal, window %d, %d", int(window), within)
            << equal << window << within << true << std::int64_t(0);
        QTest::addRow("padded, window %d, %d", int(window), within)
            << mixed << window << within << true << std::int64_t(0);
        QTest::addRow("behind keys, window %d, %d", int(window), within)
            << mixed << window << within << true << std::int64_t(7);
      }
      QTest::addRow("of several lengths, window %d", int(window))
          << apart << window << false << true << std::int64_t(3);
      QTest::addRow("no blocks, window %d", int(window))
          << equal << window << false << false << std::int64_t(0);
    }
  }
  void sees_stretches_of_keys() {
    QFETCH(std::vector<std::int64_t>, lengths);
    QFETCH(std::int64_t, window);
    QFETCH(bool, window_in_blocks);
    QFETCH(bool, blocks);
    QFETCH(std::int64_t, before);
    const RowLayout rows(lengths);
    const std::int64_t tokens = rows.tokens(), size = 32;
    AttentionRule rule;
    if (window > 0) rule.window = window;
    rule.window_in_blocks = window_in_blocks;
    // A picture at the row's begin, and one that stands across the loops' blocks of queries.
    Tensor numbers = torch::full({tokens}, -1, torch::kInt64);
    std::int64_t start = 0;
    for (const std::int64_t length : lengths) {
      numbers.slice(0, start, start + std::min<std::int64_t>(length, 6)).fill_(0);
      if (length > 60) numbers.slice(0, start + 30, start + length - 3).fill_(1);
      start += length;
    }
    const auto drawn = [&](std::int64_t count, std::int64_t heads) {
      return 1.5 * torch::randn({count, heads, size});
    };
    std::vector<Tensor> states{drawn(tokens, 4), drawn(tokens, 2), drawn(tokens, 2)};
    if (before > 0) states.insert(states.end(), {drawn(before, 2), drawn(before, 2)});
    const Tensor weights = drawn(tokens, 4).reshape({tokens, -1});
    const auto mixed = [&](const std::vector<Tensor>& x) {
      const KeysAndValues first = before > 0 ? KeysAndValues{x[3], x[4]} : KeysAndValues();
      return attend(x[0], x[1], x[2], rows, rule, blocks ? numbers : Tensor(), nullptr, 0, first);
    };
    const std::vector<Tensor> narrow = leaves(states, torch::kFloat32),
                              wide = leaves(states, torch::kFloat64);
    const Tensor made = mixed(narrow), masked = mixed(wide);
    QVERIFY2(share_off(made, masked) < 1.5e-6,
             qPrintable(QString::number(share_off(made, masked))));
    const auto got = torch::autograd::grad({made}, narrow, {weights}),
               exact = torch::autograd::grad({masked}, wide, {weights.to(torch::kFloat64)});
    for (std::size_t i = 0; i < got.size(); ++i) QVERIFY(share_off(got[i], exact[i]) < 2e-6);
  }

  /// A block with others in between is no stretch: LibTorch's way, by a mask.
  void blocks_that_are_apart_have_a_mask() {
    const std::int64_t seq = 50;
    const RowLayout rows(std::vector<std::int64_t>{seq});
    Tensor numbers = torch::full({seq}, -1, torch::kInt64);
    numbers.slice(0, 2, 9).fill_(0);
    numbers.slice(0, 30, 41).fill_(0);
    const auto drawn = [&] { return torch::randn({seq, 2, 32}); };
    const std::vector<Tensor> states{drawn(), drawn(), drawn()};
    const auto mixed = [&](const std::vector<Tensor>& x) {
      return attend(x[0], x[1], x[2], rows, {}, numbers);
    };
    const Tensor made = mixed(leaves(states, torch::kFloat32)),
                 wanted = mixed(leaves(states, torch::kFloat64));
    QVERIFY(share_off(made, wanted) < 1.5e-6);
  }

  void what_they_do_not_take() {
    const auto drawn = [](std::int64_t heads, std::int64_t length, std::int64_t size) {
      return torch::randn({1, heads, length, size}).requires_grad_(true);
    };
    const auto take = [](const Tensor& q, const Tensor& k) {
      return loops_take(q, k, k, Sight::Stretches);
    };
    const Tensor x = drawn(2, 40, 64);
    QCOMPARE(take(x, x), floats::available());
    QCOMPARE(take(x.detach(), x.detach()), floats::available());  // no gradient is to come
    QVERIFY(!take(x, drawn(2, 41, 64)));
    for (const Tensor& other :
         {drawn(2, 40, 48), drawn(2, 7, 64), x.to(torch::kFloat64), x.to(torch::kBFloat16)})
      QVERIFY(!take(other, other));
    const torch::NoGradGuard no_grad;
    QCOMPARE(take(x, x), floats::available());
  }

  void what_is_no_number_stays_none() {
    Tensor broken = torch::randn({1, 1, 70, 32});
    broken.index_put_({0, 0, 40, 3}, std::numeric_limits<double>::quiet_NaN());
    const Tensor q = broken.requires_grad_(true), k = torch::randn({1, 1, 70, 32}),
                 v = torch::randn({1, 1, 70, 32});
    if (!loops_take(q, k, v, Sight::Causal)) QSKIP("This processor has no AVX-512.");
    const Tensor result = loop_attention(q, k, v, Sight::Causal, {});
    const Tensor bad = result.detach().isnan().any(-1).flatten();
    QVERIFY(bad[40].item<bool>());
    QCOMPARE(bad.sum().item<std::int64_t>(), std::int64_t(1));
    const auto made = torch::autograd::grad({result.sum()}, {q});
    QVERIFY(made[0].isnan().any().item<bool>());
  }
};

QTEST_GUILESS_MAIN(TestLoopAttention)
#include "test_loop_attention.moc"
