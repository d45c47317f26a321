// SPDX-License-Identifier: GPL-3.0-or-later
// In bfloat16 a result is rounded once, at its end, where the arithmetic between is ours to choose:
// each is compared with the same in float32 of the same numbers, rounded.
#include <cmath>

#include "engine/nn/attention.h"
#include "engine/nn/layers.h"

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

}  // namespace

class TestBfloat16 : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

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
};

QTEST_GUILESS_MAIN(TestBfloat16)
#include "test_bfloat16.moc"
