// SPDX-License-Identifier: GPL-3.0-or-later
// DoRA's formula and its gradients written out once more, under dropout and over eight bits too.
#include <torch/csrc/autograd/autograd.h>

#include "engine/config/quantization_fields.h"
#include "engine/methods/lora_variants.h"
#include "engine/models/packing.h"
#include "engine/nn/sparse_products.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

/// The largest difference, as a share of the largest number.
double off(const Tensor& made, const Tensor& exact) {
  return ((made - exact).abs().max() / exact.abs().max()).item<double>();
}

}  // namespace

class TestDora : public QObject {
  Q_OBJECT

 private slots:
  /// y = m/‖W + sBA‖ · (Wx + sBAx) + b; under dropout only what the norm changes sees the mask.
  void doras_formula() {
    torch::manual_seed(1);
    const torch::TensorOptions options;
    Linear linear(6, 5, true, options);
    const torch::NoGradGuard no_grad;
    linear->weight.slot().copy_(torch::randn({5, 6}));
    linear->bias.copy_(torch::randn({5}));
    const Tensor a = torch::randn({2, 6}), b = torch::randn({5, 2}), x = torch::randn({7, 6});
    const Tensor m = torch::rand({5}) + 0.5;
    const double s = 0.7;
    const auto pair = std::make_shared<LoraLinear>(a, b, s, 0.4, 0);
    LoraVariant plug(pair, {});
    plug.rescale(m, *linear);
    const Tensor w = linear->weight.dense(), sum = w + s * torch::mm(b, a);
    const Tensor factor = m / sum.square().sum(1).sqrt();
    QVERIFY(far(plug.norms(*linear), sum.square().sum(1).sqrt()) < 1e-6);
    QVERIFY(far(plug.forward(x, *linear), torch::mm(x, sum.t()) * factor + linear->bias) < 1e-6);
    plug.training = true;
    plug.seed = 11;
    const LowRank low = pair->low_rank_of(plug, 1, torch::kFloat32);
    const Tensor dropped = dropped_out(x, 0.4, low.seed);
    QVERIFY(!torch::equal(dropped, x));
    const Tensor wanted = torch::mm(x, w.t()) + linear->bias +
                          (factor - 1) * torch::mm(dropped, w.t()) +
                          factor * s * torch::mm(torch::mm(dropped, a.t()), b.t());
    QVERIFY(far(plug.forward(x, *linear), wanted) < 1e-6);
    plug.training = false;
    plug.strength = 0.25;
    const Tensor full = torch::mm(x, sum.t()) * factor + linear->bias;
    const Tensor quarter = 0.75 * linear->product(x) + 0.25 * full;
    QVERIFY(far(plug.forward(x, *linear), quarter) < 1e-6);
  }

  /// The gradients of the formula above with the norm held fixed, under dropout too.
  void doras_gradients() {
    torch::manual_seed(6);
    Linear linear(6, 5, true, torch::TensorOptions());
    {
      const torch::NoGradGuard no_grad;
      linear->weight.slot().copy_(torch::randn({5, 6}));
      linear->bias.copy_(torch::randn({5}));
    }
    const double s = 0.7;
    const Tensor target = torch::randn({7, 5});
    std::vector<Tensor> leaves{torch::randn({2, 6}), torch::randn({5, 2}), torch::rand({5}) + 0.5,
                               torch::randn({7, 6})};
    for (Tensor& leaf : leaves) leaf.set_requires_grad(true);
    const Tensor &a = leaves[0], &b = leaves[1], &m = leaves[2], &x = leaves[3];
    for (const bool training : {false, true}) {
      const auto pair = std::make_shared<LoraLinear>(a, b, s, 0.4, 0);
      LoraVariant plug(pair, {});
      plug.rescale(m, *linear);
      plug.training = training;
      plug.seed = 11;
      const Tensor mask =
          dropped_out(torch::ones({7, 6}), 0.4, pair->low_rank_of(plug, 1, torch::kFloat32).seed);
      const Tensor w = linear->weight.dense(), dropped = training ? x * mask : x;
      const Tensor norm = (w + s * torch::mm(b, a)).detach().square().sum(1).sqrt();
      const Tensor factor = m / norm;
      const Tensor formula = torch::mm(x, w.t()) + linear->bias +
                             (factor - 1) * torch::mm(dropped, w.t()) +
                             factor * s * torch::mm(torch::mm(dropped, a.t()), b.t());
      const auto wanted = torch::autograd::grad({(formula * target).sum()}, leaves);
      const auto got = torch::autograd::grad({(plug.forward(x, *linear) * target).sum()}, leaves);
      for (std::size_t i = 0; i < leaves.size(); ++i) QVERIFY(far(got[i], wanted[i]) < 1e-5);
    }
  }

  /// The same where few numbers are dropped, which goes another way (nn/sparse_products).
  void few_dropped_numbers_data() {
    QTest::addColumn<bool>("bias");
    QTest::addColumn<int>("rank");
    QTest::addColumn<bool>("learns");
    QTest::newRow("bias") << true << 16 << true;
    QTest::newRow("none, a rank above the loops'") << false << 72 << true;
    QTest::newRow("A and B are fixed") << true << 8 << false;
  }
  void few_dropped_numbers() {
    QFETCH(bool, bias);
    QFETCH(int, rank);
    QFETCH(bool, learns);
    torch::manual_seed(8);
    constexpr int kRows = 300, kIn = 48, kOut = 80;
    constexpr double kScale = 0.7, kDropout = 0.1;
    Linear linear(kIn, kOut, bias, torch::TensorOptions());
    {
      const torch::NoGradGuard no_grad;
      linear->weight.slot().copy_(torch::randn({kOut, kIn}));
      linear->weight.slot().requires_grad_(false);
      if (bias) linear->bias.copy_(torch::randn({kOut}));
    }
    const Tensor target = torch::randn({kRows, kOut}), a = torch::randn({rank, kIn}),
                 b = torch::randn({kOut, rank}), m = torch::rand({kOut}) + 0.5,
                 x = torch::randn({3, kRows / 3, kIn});
    std::vector<Tensor> leaves{m, x};
    if (learns) leaves.insert(leaves.end(), {a, b});
    if (bias) leaves.push_back(linear->bias);
    for (Tensor& leaf : leaves) leaf.set_requires_grad(true);
    if (!sparse::suits(x.view({kRows, kIn}), linear->weight.dense(), kDropout))
      QSKIP("This processor has no AVX-512");
    const auto pair = std::make_shared<LoraLinear>(a, b, kScale, kDropout, 0);
    LoraVariant plug(pair, {});
    plug.rescale(m, *linear);
    plug.training = true;
    plug.seed = 11;
    const Tensor mask = dropped_out(torch::ones({kRows, kIn}), kDropout,
                                    pair->low_rank_of(plug, 1, torch::kFloat32).seed);
    const auto wide = [](const Tensor& t) { return t.to(torch::kFloat64); };
    const Tensor w = wide(linear->weight.dense()), flat = wide(x).view({kRows, kIn}),
                 dropped = flat * wide(mask);
    const Tensor norm = (w + kScale * torch::mm(wide(b), wide(a))).detach().square().sum(1).sqrt();
    const Tensor factor = wide(m) / norm;
    Tensor formula = torch::mm(flat, w.t()) + (factor - 1) * torch::mm(dropped, w.t()) +
                     factor * kScale * torch::mm(torch::mm(dropped, wide(a).t()), wide(b).t());
    if (bias) formula = formula + wide(linear->bias);
    const Tensor made = plug.forward(x, *linear);
    QCOMPARE(made.sizes(), (at::IntArrayRef{3, kRows / 3, kOut}));
    const Tensor rows = made.view({kRows, kOut});
    QVERIFY(off(rows, formula) < 2e-6);
    const auto wanted = torch::autograd::grad({(formula * wide(target)).sum()}, leaves);
    const auto got = torch::autograd::grad({(rows * target).sum()}, leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i) QVERIFY(off(got[i], wanted[i]) < 2e-6);
  }

  /// Over eight bits the norm is that of the dense numbers, in training and in answers alike.
  void doras_norm_of_eight_bits() {
    torch::manual_seed(7);
    const torch::NoGradGuard no_grad;
    const Json how{{"load_in_8bit", true}};
    const auto kind = find_weight_kind(how, "here");
    auto packed = weight_packing(**kind)->pack(torch::randn({24, 64}), how, "w");
    QVERIFY(packed);
    LinearImpl linear{torch::zeros({24, 64})};
    linear.weight = Weight(packed.take());
    const Tensor a = torch::randn({4, 64}), b = torch::randn({24, 4});
    LoraVariant plug(std::make_shared<LoraLinear>(a, b, 0.5, 0.0, 0), {});
    plug.rescale(torch::ones({24}), linear);
    const Tensor sum = linear.weight.dense(torch::kFloat32) + 0.5 * torch::mm(b, a);
    QVERIFY(far(plug.norms(linear), sum.square().sum(1).sqrt()) < 1e-5);
  }
};

QTEST_GUILESS_MAIN(TestDora)
#include "test_dora.moc"
