// SPDX-License-Identifier: GPL-3.0-or-later
// Sums of micro-batches, and norm and clipping over all gradients together.
#include "engine/optim/gradients.h"

#include <cmath>

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

constexpr int kMicroBatches = 32;

/// A leaf's gradient after backwards that each give it `gradients[i]` to the bit, and how far it is
/// from float64's sum at most, in shares of the sum of their sizes.
struct Summed {
  torch::Tensor gradient;
  double apart = 0;
};
Summed summed(const std::vector<torch::Tensor>& gradients, bool widen) {
  torch::Tensor leaf =
      torch::ones(gradients[0].sizes(), gradients[0].options()).requires_grad_(true);
  const std::vector<TrainedTensor> tensors{{"w", "", leaf, true}};
  torch::Tensor exact = torch::zeros(leaf.sizes(), torch::kFloat64), sizes = exact.clone();
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    leaf.clone().backward(gradients[i]);
    if (widen && i + 1 < gradients.size()) widen_gradients(tensors);
    exact += gradients[i], sizes += gradients[i].abs();
  }
  return {leaf.grad(), ((leaf.grad() - exact).abs() / sizes).max().item<double>()};
}

}  // namespace

class TestGradients : public QObject {
  Q_OBJECT

 private slots:
  void many_micro_batches_are_added_as_in_float32() {
    torch::manual_seed(3);
    // A gradient that all agree on, and noise: what full tuning's windows look like.
    const torch::Tensor agreed = torch::randn({64, 33});
    std::vector<torch::Tensor> gradients;
    for (int i = 0; i < kMicroBatches; ++i)
      gradients.push_back((agreed + torch::randn({64, 33})).to(torch::kBFloat16));
    const Summed wide = summed(gradients, true), narrow = summed(gradients, false);
    QCOMPARE(wide.gradient.scalar_type(), torch::kFloat32);
    QCOMPARE(narrow.gradient.scalar_type(), torch::kBFloat16);
    const double last_bit = std::ldexp(1.0, -24);
    QVERIFY2(wide.apart <= kMicroBatches * last_bit, qPrintable(QString::number(wide.apart)));
    QVERIFY(narrow.apart > std::ldexp(1.0, -9));  // or the test would see nothing
  }

  void one_micro_batch_keeps_its_type_and_its_memory() {
    const torch::Tensor gradient = torch::randn({5}).to(torch::kBFloat16);
    const Summed one = summed({gradient}, true);
    QCOMPARE(one.gradient.scalar_type(), torch::kBFloat16);
    QVERIFY(one.gradient.equal(gradient));
  }

  void float32_gradients_stay_where_they_are() {
    torch::Tensor wide = torch::ones({4}).requires_grad_(true),
                  none = torch::ones({4}).requires_grad_(true);
    wide.mutable_grad() = torch::randn({4});
    const void* place = wide.grad().const_data_ptr();
    widen_gradients({{"wide", "", wide, true}, {"none", "", none, true}});
    QCOMPARE(wide.grad().const_data_ptr(), place);
    QVERIFY(!none.grad().defined());
  }

  void types_may_differ_under_one_norm() {
    torch::Tensor a = torch::zeros({2}).requires_grad_(true),
                  b = torch::zeros({1}, torch::kBFloat16).requires_grad_(true);
    a.mutable_grad() = torch::tensor({3.0f, 0.0f});
    b.mutable_grad() = torch::tensor({4.0f}).to(torch::kBFloat16);
    const std::vector<TrainedTensor> tensors{{"a", "", a, true}, {"b", "", b, true}};
    QCOMPARE(gradient_norm(tensors), 5.0);
    clip_gradients(tensors, 5.0, 2.5);
    QVERIFY(std::abs(a.grad()[0].item<float>() - 1.5f) < 1e-6);
    QCOMPARE(b.grad().item<float>(), 2.0f);
  }

  void clips_by_the_norm_of_all() {
    torch::Tensor a = torch::zeros({2}).requires_grad_(true),
                  b = torch::zeros({1}).requires_grad_(true);
    a.mutable_grad() = torch::tensor({3.0f, 0.0f});
    b.mutable_grad() = torch::tensor({4.0f});
    const std::vector<TrainedTensor> tensors{{"a", "", a, true}, {"b", "", b, true}};
    QCOMPARE(gradient_norm(tensors), 5.0);
    clip_gradients(tensors, 5.0, 1.0);
    QVERIFY(std::abs(b.grad().item<float>() - 0.8f) < 1e-6);
    clip_gradients(tensors, 1.0, 0.0);
    QVERIFY(std::abs(b.grad().item<float>() - 0.8f) < 1e-6);
  }

  void has_no_norm_without_gradients() {
    torch::Tensor a = torch::zeros({2}).requires_grad_(true);
    QCOMPARE(gradient_norm({{"a", "", a, true}}), 0.0);
  }
};

QTEST_APPLESS_MAIN(TestGradients)
#include "test_gradients.moc"
