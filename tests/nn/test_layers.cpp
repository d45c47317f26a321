// SPDX-License-Identifier: GPL-3.0-or-later
// LayerNorm against ATen's own, values and gradients; and the gradients of its weight and bias with
// any number of threads.
#include "engine/nn/layers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

struct Gradients {
  Tensor y, x, weight, bias;
};

Gradients of_layer_norm(const Tensor& input, bool ours) {
  LayerNormImpl norm(input.size(-1), 1e-5, torch::kFloat32);
  const Tensor x = input.clone().requires_grad_(true);
  {
    const torch::NoGradGuard no_grad;
    norm.weight.copy_(torch::linspace(0.5, 1.5, input.size(-1)));
    norm.bias.copy_(torch::linspace(-1, 1, input.size(-1)));
  }
  norm.weight.requires_grad_(true);
  norm.bias.requires_grad_(true);
  const Tensor y =
      ours ? norm.forward(x) : at::layer_norm(x, norm.weight.sizes(), norm.weight, norm.bias, 1e-5);
  (y * torch::linspace(-1, 3, y.numel()).view_as(y)).sum().backward();
  return {y, x.grad(), norm.weight.grad(), norm.bias.grad()};
}

double apart(const Tensor& a, const Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

}  // namespace

class TestLayers : public QObject {
  Q_OBJECT

 private slots:
  void layer_norm_equals_atens() {
    torch::manual_seed(3);
    for (const auto& shape : {std::vector<std::int64_t>{37, 96}, {2, 19, 64}, {1, 8}}) {
      const Tensor x = torch::randn(shape) * 3 + 1;
      const Gradients ours = of_layer_norm(x, true), theirs = of_layer_norm(x, false);
      QVERIFY(at::equal(ours.y, theirs.y));
      QVERIFY(at::equal(ours.x, theirs.x));
      QVERIFY(apart(ours.weight, theirs.weight) < 1e-6);
      QVERIFY(apart(ours.bias, theirs.bias) < 1e-6);
    }
  }

  void layer_norm_of_strided_input() {
    torch::manual_seed(4);
    const Tensor x = torch::randn({48, 30}).t();
    const Gradients ours = of_layer_norm(x, true), theirs = of_layer_norm(x.contiguous(), false);
    QVERIFY(apart(ours.y, theirs.y) < 1e-6);
    QVERIFY(apart(ours.x, theirs.x) < 1e-6);
    QVERIFY(apart(ours.weight, theirs.weight) < 1e-6);
  }

  void layer_norm_gradients_do_not_depend_on_threads() {
    torch::manual_seed(5);
    const Tensor x = torch::randn({1777, 128});
    const int before = at::get_num_threads();
    at::set_num_threads(1);
    const Gradients one = of_layer_norm(x, true);
    for (const int threads : {2, 3, 5}) {
      at::set_num_threads(threads);
      const Gradients more = of_layer_norm(x, true);
      QVERIFY(at::equal(one.x, more.x));
      QVERIFY(at::equal(one.weight, more.weight));
      QVERIFY(at::equal(one.bias, more.bias));
    }
    at::set_num_threads(before);
  }
};

QTEST_GUILESS_MAIN(TestLayers)
#include "test_layers.moc"
