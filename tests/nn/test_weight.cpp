// SPDX-License-Identifier: GPL-3.0-or-later
// A linear's weight, dense and packed: products and gradients against float64 and against finite
// differences, runs of rows, and what a Linear does when it is packed, unpacked and untied.
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <functional>

#include "engine/nn/linear.h"
#include "engine/nn/products.h"
#include "tests/nn/toy_weight.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

double difference(const Tensor& got, const Tensor& wanted) {
  const Tensor exact = wanted.to(torch::kFloat64);
  return ((got.to(torch::kFloat64) - exact).abs().max() / exact.abs().max()).item<double>();
}

/// d(sum(y · g))/dx by moving each of x up and down.
Tensor by_differences(const std::function<Tensor(const Tensor&)>& y, const Tensor& x,
                      const Tensor& g) {
  const double step = 1e-2;
  Tensor slope = torch::zeros_like(x, torch::kFloat64);
  const torch::NoGradGuard no_grad;
  Tensor moved = x.detach().clone();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    float* at = moved.data_ptr<float>() + i;
    const float before = *at;
    const auto value = [&] { return (y(moved) * g).to(torch::kFloat64).sum().item<double>(); };
    *at = before + static_cast<float>(step);
    const double above = value();
    *at = before - static_cast<float>(step);
    const double below = value();
    *at = before;
    slope.view({-1}).data_ptr<double>()[i] = (above - below) / (2 * step);
  }
  return slope;
}

}  // namespace

class TestWeight : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

  void a_dense_one_is_the_product_as_ever() {
    const Tensor dense = torch::randn({48, 40}), bias = torch::randn({48}),
                 x = torch::randn({3, 70, 40});
    const Weight weight(dense);
    QVERIFY(at::equal(weight.product(x, bias), linear_product(x, dense, bias)));
    QVERIFY(weight.dense().is_same(dense));  // no copy
    QVERIFY(weight.can_train() && !weight.trained());
    QCOMPARE(weight.rows(), 48);
    QCOMPARE(weight.cols(), 40);
    QCOMPARE(weight.bytes(), 48 * 40 * 4);
    dense.set_requires_grad(true);
    QVERIFY(weight.trained());
    const Tensor g = torch::randn({3, 70, 48});
    const auto got = torch::autograd::grad({(weight.product(x, bias) * g).sum()}, {dense});
    QVERIFY(difference(got[0], g.reshape({-1, 48})
                                   .t()
                                   .to(torch::kFloat64)
                                   .matmul(x.reshape({-1, 40}).to(torch::kFloat64))) < 1e-5);
  }

  void a_packed_one_against_its_dense_form_data() {
    QTest::addColumn<bool>("with_bias");
    QTest::newRow("bias") << true;
    QTest::newRow("none") << false;
  }
  void a_packed_one_against_its_dense_form() {
    QFETCH(bool, with_bias);
    const auto packed = toy::packed(12, 10);
    const Weight weight(packed);
    const Tensor dense = weight.dense().to(torch::kFloat64);
    const Tensor x = torch::randn({2, 3, 10}).set_requires_grad(true), g = torch::randn({2, 3, 12});
    const Tensor bias = with_bias ? torch::randn({12}).set_requires_grad(true) : Tensor();
    const Tensor y = weight.product(x, bias);
    Tensor exact = x.detach().to(torch::kFloat64).matmul(dense.t());
    if (with_bias) exact = exact + bias.detach().to(torch::kFloat64);
    QVERIFY(difference(y, exact) < 1e-6);
    std::vector<Tensor> inputs{x};
    if (with_bias) inputs.push_back(bias);
    const auto got = torch::autograd::grad({(y * g).sum()}, inputs);
    QVERIFY(difference(got[0], g.to(torch::kFloat64).matmul(dense)) < 1e-6);
    const auto product = [&](const Tensor& moved) { return weight.product(moved, bias); };
    QVERIFY(difference(got[0], by_differences(product, x, g)) < 1e-3);
    if (with_bias) QVERIFY(difference(got[1], g.sum({0, 1})) < 1e-6);
    QVERIFY(difference(weight.product_back(g.reshape({-1, 12})),
                       g.reshape({-1, 12}).to(torch::kFloat64).matmul(dense)) < 1e-6);
    QVERIFY(!weight.can_train() && !weight.trained());
    QCOMPARE(weight.bytes(), 12 * 10 + 12 * 4);
    QVERIFY_THROWS_EXCEPTION(std::exception, Weight(weight).assign(dense));
  }

  /// A weight that is larger than what may stand dense at once is taken a run of rows at a time.
  void a_large_one_in_runs() {
    const auto packed = toy::packed(150, 1 << 16);
    const Weight weight(packed);
    const Tensor x = torch::randn({3, 1 << 16}).set_requires_grad(true), bias = torch::randn({150}),
                 g = torch::randn({3, 150});
    const Tensor y = weight.product(x, bias);
    const auto got = torch::autograd::grad({(y * g).sum()}, {x});
    QCOMPARE(packed->largest_run, 64);
    const Tensor dense = weight.dense();
    QVERIFY(difference(y, at::linear(x, dense, bias)) < 1e-5);
    QVERIFY(difference(got[0], g.matmul(dense)) < 1e-5);
  }

  void products_are_computed_in_the_type_that_is_set() {
    const auto packed = toy::packed(16, 16);
    const Weight weight(packed);
    const Tensor x = torch::randn({5, 16}).to(torch::kBFloat16).set_requires_grad(true);
    QVERIFY(weight.product(x, {}).scalar_type() == torch::kBFloat16);
    packed->compute_dtype = torch::kFloat32;
    const Tensor y = weight.product(x, {});
    QVERIFY(y.scalar_type() == torch::kBFloat16);
    QVERIFY(at::equal(y, at::linear(x.to(torch::kFloat32), weight.dense()).to(torch::kBFloat16)));
    QVERIFY(torch::autograd::grad({y.sum()}, {x})[0].scalar_type() == torch::kBFloat16);
  }

  /// What an autograd function keeps of a weight is the weight again in its backward.
  void is_kept_for_a_backward() {
    for (const Weight& weight : {Weight(torch::randn({4, 3})), Weight(toy::packed(4, 3))}) {
      const Weight again(weight.leaf(), weight.kept());
      QCOMPARE(again.packed(), weight.packed());
      const Tensor g = torch::randn({2, 4});
      QVERIFY(at::equal(again.product_back(g), weight.product_back(g)));
      QCOMPARE(weight.leaf().numel(), weight.packed() ? 0 : 12);
    }
  }

  void a_linear_is_packed_and_unpacked() {
    Linear linear(10, 12, /*bias=*/true, torch::TensorOptions());
    const Tensor before = linear->weight.dense();
    const auto packed = toy::packed(12, 10);
    linear->pack(packed);
    QVERIFY(!linear->named_parameters().contains("weight"));
    QCOMPARE(linear->slots().size(), 1u);
    QCOMPARE(linear->in_features(), 10);
    QCOMPARE(linear->out_features(), 12);
    const Tensor x = torch::randn({2, 10});
    linear->bias.zero_();
    const Tensor y = linear->forward(x);
    linear->unpack(torch::kFloat32);
    QVERIFY(linear->named_parameters().contains("weight"));
    QVERIFY(linear->weight.shares(linear->named_parameters()["weight"]));
    QCOMPARE(linear->slots().size(), 2u);
    QVERIFY(difference(linear->forward(x), y) < 1e-6);

    Linear bare(10, 12, /*bias=*/false, torch::TensorOptions());
    bare->pack(packed);
    QVERIFY(bare->slots().empty() &&
            bare->holds_tensors());  // an adapter may hang on it all the same
  }

  void a_tied_head_gets_its_own() {
    const Tensor embedding = torch::randn({6, 4});
    Linear head(embedding);
    QVERIFY(head->weight.shares(embedding) && head->named_parameters().is_empty());
    head->untie();
    QVERIFY(!head->weight.shares(embedding) && at::equal(head->weight.dense(), embedding));
    QVERIFY(head->named_parameters().contains("weight"));
    QCOMPARE(head->slots().size(), 1u);
  }

  void a_tensor_in_another_place() {
    Linear linear(3, 4, /*bias=*/false, torch::TensorOptions().device(torch::kMeta));
    linear->place("weight", torch::ones({4, 3}));
    QVERIFY(linear->named_parameters()["weight"].is_cpu());
    QVERIFY(linear->weight.shares(linear->named_parameters()["weight"]));
    QCOMPARE(linear->forward(torch::ones({1, 3})).sum().item<double>(), 12.0);
  }
};

QTEST_GUILESS_MAIN(TestWeight)
#include "test_weight.moc"
