// SPDX-License-Identifier: GPL-3.0-or-later
// Sums over many rows in a bfloat16 backward are as good as one rounding: those of a norm's weight
// and bias, and of an embedding's row that is looked up often. ATen's own on the CPU stand still.
#include "engine/nn/layer_norm.h"

#include "engine/nn/layers.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr double kRounding = 1.0 / 256;  // of a bfloat16 number, twice over

double apart(const Tensor& made, const Tensor& exact) {
  return ((made.to(torch::kFloat64) - exact).norm() / exact.norm()).item<double>();
}

Tensor narrow(const Tensor& x) { return x.to(torch::kBFloat16); }

}  // namespace

class TestLayerNorm : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void gradients_of_many_rows_data() {
    QTest::addColumn<int>("rows");
    for (const int rows : {1, 127, 128, 129, 4096}) QTest::addRow("%d", rows) << rows;
  }
  void gradients_of_many_rows() {
    QFETCH(int, rows);
    torch::manual_seed(3);
    constexpr std::int64_t kSize = 48;
    const Tensor x = narrow(torch::randn({rows, kSize})).requires_grad_(true),
                 weight = narrow(torch::rand({kSize}) + 0.5).requires_grad_(true),
                 bias = narrow(torch::randn({kSize})).requires_grad_(true),
                 gradient = narrow(torch::randn({rows, kSize}) * 0.5 + 0.5);
    const Tensor y = layer_norm(x, weight, bias, 1e-5);
    {
      const torch::NoGradGuard no_grad;
      QVERIFY(at::equal(y, at::layer_norm(x, {kSize}, weight, bias, 1e-5)));
    }
    y.backward(gradient);
    std::vector<Tensor> wide;
    for (const Tensor* each : {&x, &weight, &bias})
      wide.push_back(each->detach().to(torch::kFloat64).requires_grad_(true));
    at::layer_norm(wide[0], {kSize}, wide[1], wide[2], 1e-5).backward(gradient.to(torch::kFloat64));
    QVERIFY(apart(weight.grad(), wide[1].grad()) < kRounding);
    QVERIFY(apart(bias.grad(), wide[2].grad()) < kRounding);
    QVERIFY(apart(x.grad(), wide[0].grad()) < 4 * kRounding);
    QCOMPARE(weight.grad().scalar_type(), torch::kBFloat16);
  }

  void without_a_bias() {
    torch::manual_seed(6);
    constexpr std::int64_t kSize = 48;
    const Tensor x = narrow(torch::randn({2048, kSize})).requires_grad_(true),
                 weight = narrow(torch::rand({kSize}) + 0.5).requires_grad_(true),
                 gradient = narrow(torch::randn({2048, kSize}) * 0.5 + 0.5);
    layer_norm(x, weight, Tensor(), 1e-5).backward(gradient);
    const Tensor wide_x = x.detach().to(torch::kFloat64).requires_grad_(true),
                 wide_weight = weight.detach().to(torch::kFloat64).requires_grad_(true);
    at::layer_norm(wide_x, {kSize}, wide_weight, {}, 1e-5).backward(gradient.to(torch::kFloat64));
    QVERIFY(apart(weight.grad(), wide_weight.grad()) < kRounding);
    QVERIFY(apart(x.grad(), wide_x.grad()) < 4 * kRounding);
  }

  void rows_of_any_shape() {
    torch::manual_seed(4);
    const Tensor x = narrow(torch::randn({3, 5, 7, 16})).transpose(0, 1),
                 weight = torch::ones({16}, torch::kBFloat16).requires_grad_(true),
                 bias = torch::zeros({16}, torch::kBFloat16).requires_grad_(true);
    const Tensor y = layer_norm(x, weight, bias, 1e-6);
    QCOMPARE(y.sizes(), x.sizes());
    y.sum().backward();
    QVERIFY(at::equal(bias.grad(), torch::full({16}, 105, torch::kBFloat16)));
  }

  void a_row_that_is_looked_up_often() {
    torch::manual_seed(5);
    constexpr std::int64_t kTokens = 6000, kSize = 24;
    Embedding embedding(std::int64_t{40}, kSize, torch::TensorOptions().dtype(torch::kBFloat16));
    {
      const torch::NoGradGuard no_grad;
      embedding->weight.normal_();
    }
    embedding->weight.requires_grad_(true);
    const Tensor ids = torch::randint(0, 3, {2, kTokens / 2}, torch::kInt64),
                 gradient = narrow(torch::randn({2, kTokens / 2, kSize}) * 0.5 + 0.5);
    const Tensor y = embedding->forward(ids);
    QVERIFY(at::equal(y, at::embedding(embedding->weight, ids)));
    y.backward(gradient);
    const Tensor exact =
        torch::zeros({40, kSize}, torch::kFloat64)
            .index_add_(0, ids.reshape({-1}), gradient.to(torch::kFloat64).view({-1, kSize}));
    QVERIFY(apart(embedding->weight.grad(), exact) < kRounding);
  }
};

QTEST_APPLESS_MAIN(TestLayerNorm)
#include "test_layer_norm.moc"
