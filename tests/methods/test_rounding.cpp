// SPDX-License-Identifier: GPL-3.0-or-later
// Products with an adapter's float32 tensors over a base in bfloat16 are made in bfloat16, as under
// autocast: their inputs are rounded, what they add up is not, and the sum with the base is
// rounded.
#include "engine/methods/bottleneck.h"
#include "engine/methods/lora.h"
#include "engine/nn/products.h"

#include <cmath>

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

class TestRounding : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(7); }

  /// Rounded once, behind the sum: not before it.
  void of_an_adapted_embedding() {
    const Embedding base(30, 12, torch::TensorOptions().dtype(torch::kBFloat16));
    const torch::NoGradGuard no_grad;
    base->weight.copy_(torch::randn({30, 12}));
    const LoraEmbedding plug(torch::randn({4, 30}), torch::randn({12, 4}), 0.7);
    const Tensor ids = torch::arange(30);
    const Tensor found = at::embedding(plug.a.t(), ids);
    const Tensor wanted =
        base->weight.to(torch::kFloat64) +
        at::matmul(rounded(found), rounded(plug.b).t()) * (plug.scale * plug.strength);
    verify_rounded_once(plug.forward(ids, *base), wanted);
  }

  void of_a_linear() {
    const torch::NoGradGuard no_grad;
    Linear base(24, 40, false, torch::TensorOptions().dtype(torch::kBFloat16));
    base->weight.slot().zero_();  // so that the sum shows what is added, rounded once
    const LoraLinear plug(torch::randn({4, 24}), torch::randn({40, 4}), 0.7, 0, 1);
    const Tensor x = torch::randn({30, 24}).to(torch::kBFloat16);
    // What lies between the two products is rounded too, once: it has the scale in it.
    const Tensor wide = at::mm(x.to(torch::kFloat64), rounded(plug.a).t()) * plug.scale;
    const Tensor inner = matrix_product(x, plug.a.to(torch::kBFloat16).t(), plug.scale);
    verify_rounded_once(inner, wide);
    verify_rounded_once(plug.forward(x, *base), at::mm(rounded(inner), rounded(plug.b).t()));
  }

  void of_a_bottleneck() {
    const torch::NoGradGuard no_grad;
    const std::vector<Tensor> tensors{torch::randn({5, 12}), torch::randn({5}),
                                      torch::randn({12, 5}), torch::randn({12})};
    const BottleneckPlug plug(tensors, Activation::Silu, /*of_sum=*/false);
    const Tensor y = torch::randn({20, 12}).to(torch::kBFloat16);
    std::vector<Tensor> near;
    for (const Tensor& tensor : tensors) near.push_back(tensor.to(torch::kBFloat16));
    const Tensor inner = at::silu(at::linear(y, near[0], near[1]));
    QVERIFY(at::equal(plug.after(y, y), y + at::linear(inner, near[2], near[3])));
  }

 private:
  /// bfloat16's values, in float64.
  static Tensor rounded(const Tensor& tensor) {
    return tensor.to(torch::kBFloat16).to(torch::kFloat64);
  }
  /// Within half of the last place (2^-8 of the value at most), and what float32 sums are off.
  static void verify_rounded_once(const Tensor& got, const Tensor& wanted) {
    QCOMPARE(got.scalar_type(), torch::kBFloat16);
    const Tensor allowed = (wanted.abs() * std::ldexp(1.0, -8)).add(1e-5);
    const Tensor off = (got.to(torch::kFloat64) - wanted).abs();
    QVERIFY2((off <= allowed).all().item<bool>(),
             qPrintable(QString::number((off / allowed).max().item<double>())));
  }
};

QTEST_GUILESS_MAIN(TestRounding)
#include "test_rounding.moc"
