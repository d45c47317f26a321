// SPDX-License-Identifier: GPL-3.0-or-later
// Attention by kernels that know rows against attention over padded and grouped rows, on the
// pretended device: many shapes of rows, windows, and ratios of queries' heads to keys', in
// bfloat16 with float64 on the CPU as the judge of both; with a cache, behind other keys, across to
// other rows. And what it launches, and what must not go there.
#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/attention.h"
#include "engine/nn/flash_attention.h"
#include "tests/pretend/pretend.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

using Lengths = std::vector<std::int64_t>;
constexpr std::int64_t kHeads = 4, kSize = 16;

/// As long as one stands, the pretended device has no such kernels.
class NoFlash {
 public:
  NoFlash() { pretend::let_flash(false); }
  ~NoFlash() { pretend::let_flash(true); }
  NoFlash(const NoFlash&) = delete;
  NoFlash& operator=(const NoFlash&) = delete;
};

/// Queries, keys, values and the weights of a loss over the mixture, rounded to bfloat16.
struct Inputs {
  Tensor q, k, v, weights;
};

Inputs drawn(std::int64_t tokens, std::int64_t keys, std::int64_t kv_heads) {
  const auto narrow = [](const Tensor& x) { return x.to(torch::kBFloat16).to(torch::kFloat64); };
  return {narrow(2 * torch::randn({tokens, kHeads, kSize})),
          narrow(2 * torch::randn({keys, kv_heads, kSize})),
          narrow(torch::randn({keys, kv_heads, kSize})),
          narrow(torch::randn({tokens, kHeads * kSize}))};
}

/// Tensors as one, so that they are copied at once, and apart again as they were.
Tensor together(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> flat;
  for (const Tensor& each : tensors) flat.push_back(each.reshape({-1}));
  return at::cat(flat);
}
std::vector<Tensor> apart_as(const Tensor& all, const std::vector<Tensor>& as) {
  std::vector<Tensor> parts;
  std::int64_t start = 0;
  for (const Tensor& each : as) {
    parts.push_back(all.slice(0, start, start + each.numel()).view(each.sizes()));
    start += each.numel();
  }
  return parts;
}

/// The mixture and the gradients of queries, keys and values, in float64.
template <class Attend>
std::vector<Tensor> outcome(const Inputs& inputs, torch::Device device, torch::ScalarType type,
                            const Attend& attend_all) {
  const std::vector<Tensor> given{inputs.q, inputs.k, inputs.v, inputs.weights};
  std::vector<Tensor> there = apart_as(together(given).to(type).to(device), given);
  for (std::size_t i = 0; i < 3; ++i) there[i] = there[i].detach().set_requires_grad(true);
  const Tensor mixed = attend_all(there[0], there[1], there[2]);
  std::vector<Tensor> all =
      torch::autograd::grad({mixed}, {there[0], there[1], there[2]}, {there[3]});
  all.insert(all.begin(), mixed.detach());
  return apart_as(together(all).cpu().to(torch::kFloat64), all);
}

double mean_apart(const Tensor& a, const Tensor& b) {
  return (a - b).pow(2).mean().sqrt().item<double>();
}
double most_apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

/// That the kernels are as near to float64 as what they stand for.
template <class Attend>
void judge(const Inputs& inputs, const Attend& attend_all) {
  using Tensors = std::vector<Tensor>;
  const Tensors judged = outcome(inputs, torch::kCPU, torch::kFloat64, attend_all),
                packed = outcome(inputs, pretend::device(), torch::kBFloat16, attend_all);
  Tensors padded;
  {
    const NoFlash none;
    padded = outcome(inputs, pretend::device(), torch::kBFloat16, attend_all);
  }
  const Tensors exact = outcome(inputs, pretend::device(), torch::kFloat32, attend_all);
  for (std::size_t i = 0; i < judged.size(); ++i) {
    // A query with one key has no gradient: of terms about as large as one nothing but their
    // rounding is left.
    const double size = judged[i].abs().max().item<double>() + 1;
    QVERIFY2(most_apart(exact[i], judged[i]) < 2e-5 * size,
             qPrintable(QString("%1: %2").arg(i).arg(most_apart(exact[i], judged[i]) / size)));
    const double here = mean_apart(packed[i], judged[i]), there = mean_apart(padded[i], judged[i]);
    QVERIFY2(here <= 1.05 * there + 1e-4 * size,
             qPrintable(QString("%1: %2, padded %3").arg(i).arg(here).arg(there)));
  }
}

AttentionRule rule_of(bool causal, int window, double scale = 0) {
  AttentionRule rule;
  rule.causal = causal, rule.scale = scale;
  if (window > 0) rule.window = window;
  return rule;
}

}  // namespace

class TestFlashAttention : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }
  void init() { torch::manual_seed(11); }

  void rows_of_any_lengths_data() {
    QTest::addColumn<Lengths>("lengths");
    QTest::newRow("one") << Lengths{11};
    QTest::newRow("one token each") << Lengths{1, 1, 1};
    QTest::newRow("equal") << Lengths{7, 7, 7};
    QTest::newRow("equal and a filler") << Lengths{9, 9, 2};
    QTest::newRow("alike") << Lengths{5, 8, 6, 8};
    QTest::newRow("far apart") << Lengths{20, 120, 1, 30};
    QTest::newRow("rising") << Lengths{1, 2, 3, 4, 5, 6};
  }
  void rows_of_any_lengths() {
    QFETCH(Lengths, lengths);
    const RowLayout rows(lengths);
    const std::vector<AttentionRule> few{rule_of(true, 3), rule_of(false, 0)},
        many{rule_of(true, 0),    rule_of(true, 1),  rule_of(true, 3),      rule_of(true, 7),
             rule_of(true, 1000), rule_of(false, 0), rule_of(true, 0, 0.5), rule_of(false, 0, 1)};
    for (const std::int64_t kv_heads : {4, 2, 1}) {
      for (const AttentionRule& rule : kv_heads == 2 ? many : few) {
        judge(drawn(rows.tokens(), rows.tokens(), kv_heads),
              [&](const Tensor& q, const Tensor& k, const Tensor& v) {
                return attend(q, k, v, RowLayout(lengths), rule);
              });
      }
    }
  }

  void rows_look_across_data() {
    QTest::addColumn<Lengths>("lengths");
    QTest::addColumn<Lengths>("memory");
    QTest::newRow("equal") << Lengths{4, 4, 4} << Lengths{9, 9, 9};
    QTest::newRow("others of one length") << Lengths{3, 5, 4} << Lengths{6, 6, 6};
    QTest::newRow("of one length, others not") << Lengths{4, 4, 4} << Lengths{7, 2, 7};
    QTest::newRow("all different") << Lengths{3, 5, 4, 5, 3} << Lengths{6, 2, 9, 2, 6};
  }
  void rows_look_across() {
    QFETCH(Lengths, lengths);
    QFETCH(Lengths, memory);
    const RowLayout rows(lengths), others(memory);
    for (const std::int64_t kv_heads : {4, 2}) {
      judge(drawn(rows.tokens(), others.tokens(), kv_heads), [&](const Tensor& q, const Tensor& k,
                                                                 const Tensor& v) {
        const auto seen = [&]() -> KeysAndValues { return {k, v}; };
        return attend_across(q, RowLayout(lengths), seen, RowLayout(memory), rule_of(true, 0, 1));
      });
    }
  }

  /// Rows behind keys that all of them see.
  void behind_other_keys() {
    const Lengths lengths{5, 9, 3};
    const RowLayout rows(lengths);
    const Tensor first = torch::randn({4, 2, kSize}).to(torch::kBFloat16);
    for (const int window : {0, 4}) {
      judge(drawn(rows.tokens(), rows.tokens(), 2),
            [&](const Tensor& q, const Tensor& k, const Tensor& v) {
              const Tensor before = first.to(k.scalar_type()).to(k.device());
              return attend(q, k, v, RowLayout(lengths), rule_of(true, window), {}, nullptr, 0,
                            {before, before * 2});
            });
    }
  }

  void token_by_token_as_at_once_data() {
    QTest::addColumn<int>("window");
    QTest::newRow("all") << 0;
    QTest::newRow("a window") << 3;
  }
  void token_by_token_as_at_once() {
    QFETCH(int, window);
    const torch::NoGradGuard no_grad;
    constexpr std::int64_t kLength = 8, kFirst = 4;
    const RowLayout rows({kLength, kLength});
    const Inputs inputs = drawn(rows.tokens(), rows.tokens(), 2);
    const auto there = [](const Tensor& x) {
      return x.to(torch::kFloat32).to(pretend::device()).view({2, kLength, -1, kSize});
    };
    const Tensor q = there(inputs.q), k = there(inputs.k), v = there(inputs.v);
    const Tensor whole =
        attend(inputs.q, inputs.k, inputs.v, rows, rule_of(true, window)).view({2, kLength, -1});
    KeyValueCache cache(1, kLength);
    for (std::int64_t at = 0; at < kLength;) {
      const std::int64_t count = at == 0 ? kFirst : at == kFirst ? 2 : 1;
      const auto now = [&](const Tensor& x) {
        return x.slice(1, at, at + count).reshape({2 * count, x.size(2), kSize});
      };
      pretend::reset_counts();
      const Tensor got = attend(now(q), now(k), now(v), RowLayout({count, count}),
                                rule_of(true, window), {}, &cache, 0);
      QCOMPARE(pretend::kernels_by_name()["flash attention"], 1);
      cache.advance(count), at += count;
      const Tensor wanted = whole.slice(1, at - count, at).reshape({2 * count, -1});
      QVERIFY(most_apart(got.cpu().to(torch::kFloat64), wanted) < 2e-5);
    }
  }

  /// One launch each way and one small copy, whatever the rows: no mask, no gather, no copied keys.
  void one_call_for_all_rows() {
    const Inputs inputs = drawn(90, 90, 2);
    const auto asked = [&] {
      pretend::reset_counts();
      (void)outcome(inputs, pretend::device(), torch::kBFloat16,
                    [&](const Tensor& q, const Tensor& k, const Tensor& v) {
                      return attend(q, k, v, RowLayout({10, 60, 5, 15}), rule_of(true, 6));
                    });
      return pretend::kernels_by_name();
    };
    auto kernels = asked();
    QCOMPARE(kernels["flash attention"], 1);
    QCOMPARE(kernels["flash attention backward"], 1);
    QCOMPARE(kernels["masked_fill_"], 0);
    QCOMPARE(kernels["index_select"], 0);
    const NoFlash none;
    auto padded = asked();
    QCOMPARE(padded["flash attention"], 0);
    QVERIFY(padded["masked_fill_"] > 0 && padded["index_select"] > 0);
  }

  /// What makes scores of its own.
  void other_rules_keep_their_way() {
    const Lengths lengths{5, 9, 3};
    const RowLayout rows(lengths);
    const Inputs inputs = drawn(rows.tokens(), rows.tokens(), 2);
    const auto there = [](const Tensor& x) { return x.to(torch::kFloat32).to(pretend::device()); };
    const Tensor q = there(inputs.q), k = there(inputs.k), v = there(inputs.v);
    AttentionRule capped;
    capped.softcap = 5;
    const Tensor blocks = (torch::arange(rows.tokens()) % 4 - 1).to(pretend::device());
    const ScoreBias bias(
        [](std::int64_t, std::int64_t queries, std::int64_t keys) {
          return torch::ones({kHeads, queries, keys},
                             torch::TensorOptions().device(pretend::device()));
        },
        false);
    pretend::reset_counts();
    (void)attend(q, k, v, rows, capped);
    (void)attend(q, k, v, rows, AttentionRule(), blocks);
    (void)attend(q, k, v, rows, AttentionRule(), {}, nullptr, 0, {}, &bias);
    QCOMPARE(pretend::kernels_by_name()["flash attention"], 0);
    (void)attend(q, k, v, rows, AttentionRule());
    QCOMPARE(pretend::kernels_by_name()["flash attention"], 1);
  }

  /// Where no test stands in for the device.
  void cards_are_asked_for_narrow_types() {
    const FlashDoor ours = exchange_flash_door(nullptr);
    const torch::Device card(torch::kCUDA, 0);
    for (const std::int64_t head_dim : {8, 64, 72, 128, 192, 256})
      QVERIFY(flash_takes(card, torch::kBFloat16, head_dim));
    for (const std::int64_t head_dim : {12, 200, 224, 264})
      QVERIFY(!flash_takes(card, torch::kBFloat16, head_dim));
    QVERIFY(!flash_takes(card, torch::kFloat32, 64));
    QVERIFY(!flash_takes(torch::kCPU, torch::kBFloat16, 64));
    QVERIFY(!flash_takes(pretend::device(), torch::kBFloat16, 64));
    exchange_flash_door(ours);
  }
};

QTEST_GUILESS_MAIN(TestFlashAttention)
#include "test_flash_attention.moc"
