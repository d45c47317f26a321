// SPDX-License-Identifier: GPL-3.0-or-later
// Norm and clipping over all gradients together.
#include "engine/optim/gradients.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

class TestGradients : public QObject {
  Q_OBJECT

 private slots:
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
