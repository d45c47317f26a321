// SPDX-License-Identifier: GPL-3.0-or-later
// What an adapter adds to a base in bfloat16 is float32 until it is added: the sum alone is
// rounded.
#include "engine/methods/bottleneck.h"
#include "engine/methods/lora.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

class TestRounding : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(7); }

  void of_an_adapted_embedding() {
    const Embedding base(30, 12, torch::TensorOptions().dtype(torch::kBFloat16));
    const torch::NoGradGuard no_grad;
    base->weight.copy_(torch::randn({30, 12}));
    const LoraEmbedding plug(torch::randn({4, 30}), torch::randn({12, 4}), 0.7);
    const Tensor ids = torch::arange(30);
    const Tensor added =
        at::matmul(at::embedding(plug.a.t(), ids), plug.b.t()) * (plug.scale * plug.strength);
    const Tensor wanted = (base->weight.to(torch::kFloat32) + added).to(torch::kBFloat16);
    QVERIFY(at::equal(plug.forward(ids, *base), wanted));
  }

  void of_a_bottleneck() {
    const torch::NoGradGuard no_grad;
    const std::vector<Tensor> tensors{torch::randn({5, 12}), torch::randn({5}),
                                      torch::randn({12, 5}), torch::randn({12})};
    const BottleneckPlug plug(tensors, Activation::Silu, /*of_sum=*/false);
    const Tensor y = torch::randn({20, 12}).to(torch::kBFloat16), wide = y.to(torch::kFloat32);
    const Tensor inner = at::silu(at::linear(wide, tensors[0], tensors[1]));
    const Tensor wanted = wide + at::linear(inner, tensors[2], tensors[3]);
    QVERIFY(at::equal(plug.after(y, y), wanted.to(torch::kBFloat16)));
  }
};

QTEST_GUILESS_MAIN(TestRounding)
#include "test_rounding.moc"
