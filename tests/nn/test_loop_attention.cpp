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

  /// Whatever is hidden before a row, and however many queries share its keys.
  void the_newest_token_equals_the_formula_data() {
    QTest::addColumn<std::int64_t>("size");
    QTest::addColumn<std::int64_t>("sharing");
    for (const std::int64_t size : {16, 48, 64, 80, 256})
      for (const std::int64_t sharing : {1, 3})
        QTest::addRow("heads of %d, %d share", int(size), int(sharing)) << size << sharing;
  }
  void the_newest_token_equals_the_formula() {
    QFETCH(std::int64_t, size);
    QFETCH(std::int64_t, sharing);
    const c10::InferenceMode inference;
    const std::int64_t rows = 4, heads = 2, keys = 37;
    const std::vector<std::int64_t> first{0, 5, 36, 12};
    const Tensor q = 1.5 * torch::randn({rows, 3 * heads * sharing, size})
                               .slice(1, 1, 1 + heads * sharing),
                 k = 1.5 * torch::randn({rows, heads, 50, size}).slice(2, 0, keys),
                 v = torch::randn({rows, heads, 50, size}).slice(2, 0, keys);
    if (!token_loops_take(q)) {
      QVERIFY(!floats::available());
      QSKIP("This processor has no AVX-512.");
    }
    const double scale = 0.9 / std::sqrt(static_cast<double>(size));
    const Tensor made = token_attention(q, k, v, first, {}, scale);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t begin = first[static_cast<std::size_t>(row)];
      const auto own = [&](const Tensor& x) {
        return x.narrow(0, row, 1)
            .slice(2, begin)
            .to(torch::kFloat64)
            .repeat_interleave(sharing, 1);
      };
      const Tensor wanted = formula(q.narrow(0, row, 1).to(torch::kFloat64).unsqueeze(2), own(k),
                                    own(v), false, scale);
      const double off = share_off(made[row], wanted.view({-1}));
      QVERIFY2(off < 1.5e-6, qPrintable(QString::number(off)));
      // To the bit what it is without the others and what is hidden.
      QVERIFY(torch::equal(token_attention(q.narrow(0, row, 1), k.narrow(0, row, 1).slice(2, begin),
                                           v.narrow(0, row, 1).slice(2, begin), {0}, {}, scale)[0],
                           made[row]));
    }
    QVERIFY(!token_loops_take(q.to(torch::kFloat64)) && !token_loops_take(q.to(torch::kBFloat16)));
  }

  /// A token of each row over a cache, beside the masks that float64 goes by.
  void the_newest_token_sees_its_own_row_data() {
    QTest::addColumn<std::int64_t>("window");
    QTest::addColumn<bool>("joined");
    for (const std::int64_t window : {0, 5, 12, 400})
      for (const bool joined : {false, true})
        QTest::addRow("window %d, %s", int(window), joined ? "joined" : "equal")
            << window << joined;
  }
  void the_newest_token_sees_its_own_row() {
    QFETCH(std::int64_t, window);
    QFETCH(bool, joined);
    const c10::InferenceMode inference;
    AttentionRule rule;
    if (window > 0) rule.window = window;
    const std::int64_t size = 32, rows = joined ? 3 : 2;
    const auto drawn = [&](std::int64_t tokens) {
      return std::vector<Tensor>{1.5 * torch::randn({tokens, 4, size}),
                                 1.5 * torch::randn({tokens, 2, size}),
                                 torch::randn({tokens, 2, size})};
    };
    const std::vector<std::vector<Tensor>> states{drawn(2 * 9), drawn(17), drawn(rows), drawn(rows),
                                                  drawn(rows)};
    const auto decoded = [&](torch::ScalarType type) {
      const auto passed = [&](std::size_t which, std::vector<std::int64_t> lengths,
                              KeyValueCache& cache) {
        const auto& x = states[which];
        const std::int64_t each = lengths.front();
        const Tensor made = attend(x[0].to(type), x[1].to(type), x[2].to(type),
                                   RowLayout(std::move(lengths)), rule, {}, &cache, 0);
        cache.advance(each);
        return made;
      };
      KeyValueCache cache(1, 20), other(1, 17);
      passed(0, {9, 9}, cache);
      if (joined) {
        passed(1, {17}, other);
        cache.join({{&other, {0}}}, 3);
      }
      std::vector<Tensor> made;
      for (const std::size_t step : {2, 3, 4})
        made.push_back(passed(step, std::vector<std::int64_t>(rows, 1), cache));
      return at::cat(made);
    };
    const double off = share_off(decoded(torch::kFloat32), decoded(torch::kFloat64));
    QVERIFY2(off < 1.5e-6, qPrintable(QString::number(off)));
  }

  /// A prompt's keys are read of one row for all that came of it, to the same bits.
  void rows_of_one_prompt_share_its_keys() {
    const c10::InferenceMode inference;
    const std::int64_t rows = 5, heads = 2, keys = 43, size = 48;
    const Tensor q = torch::randn({rows, 2 * heads, size});
    if (!token_loops_take(q)) QSKIP("This processor has no AVX-512.");
    const auto drawn = [&] { return torch::randn({rows, heads, keys, size}); };
    Tensor k = drawn(), v = drawn();
    // The second and fourth begin as the first, the last as the third.
    const std::vector<KeyValueCache::Alike> alike{{0, 30}, {0, 30}, {2, 41}, {0, 30}, {2, 41}};
    const std::vector<std::int64_t> first{3, 3, 0, 3, 40};
    for (Tensor* x : {&k, &v})
      for (std::size_t row = 0; row < alike.size(); ++row)
        x->select(0, static_cast<std::int64_t>(row))
            .slice(1, 0, alike[row].until)
            .copy_(x->select(0, alike[row].row).slice(1, 0, alike[row].until));
    const Tensor wanted = token_attention(q, k, v, first, {}, 0.2);
    for (Tensor* x : {&k, &v})  // and nobody else's
      for (const std::int64_t row : {1, 3, 4})
        x->select(0, row).slice(1, 0, 30).fill_(std::numeric_limits<double>::quiet_NaN());
    k.select(0, 4).slice(1, 30, 41).fill_(0);
    QVERIFY(torch::equal(token_attention(q, k, v, first, alike, 0.2), wanted));
  }

  void a_cache_knows_which_rows_begin_alike() {
    const c10::InferenceMode inference;
    const auto filled = [](std::int64_t rows, std::int64_t tokens) {
      KeyValueCache cache(1, 20);
      const Tensor x = torch::randn({rows, 1, tokens, 16});
      cache.append(0, x, x);
      cache.advance(tokens);
      return cache;
    };
    using Places = std::vector<std::pair<std::int64_t, std::int64_t>>;
    const auto told = [](const KeyValueCache& cache) {
      Places made;
      for (const auto& each : cache.alike()) made.emplace_back(each.row, each.until);
      return made;
    };
    KeyValueCache cache = filled(3, 6);
    cache.select(torch::tensor({2, 0}, torch::kInt64));
    QCOMPARE(told(cache), Places());
    cache.select(torch::tensor({0, 1, 0, 1}, torch::kInt64));
    QCOMPARE(told(cache), (Places{{0, 6}, {1, 6}, {0, 6}, {1, 6}}));
    const Tensor next = torch::randn({4, 1, 1, 16});
    cache.append(0, next, next);
    cache.advance(1);
    // The first of both is done, and one row forks once more.
    cache.select(torch::tensor({2, 3, 3, 1}, torch::kInt64));
    QCOMPARE(told(cache), (Places{{0, 6}, {1, 7}, {1, 7}, {3, 6}}));
    // What comes in is longer: all places move.
    const KeyValueCache other = filled(2, 9);
    cache.join({{&other, {1, 0, 1}}}, 3);
    QCOMPARE(told(cache), (Places{{0, 8}, {1, 9}, {1, 9}, {3, 8}, {4, 9}, {5, 0}, {4, 9}}));
    cache.select(torch::tensor({1, 2}, torch::kInt64));
    QCOMPARE(told(cache), (Places{{0, 7}, {0, 7}}));  // two places before them went
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
