// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW against LibTorch's own, and its way with lower precisions.
#include "engine/optim/adamw.h"

#include <torch/optim/adamw.h>

#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

class TestAdamW : public QObject {
  Q_OBJECT

 private slots:
  void follows_torchs_adamw() {
    torch::manual_seed(3);
    const torch::Tensor start = torch::randn({7, 5});
    torch::Tensor ours = start.clone().requires_grad_(true),
                  theirs = start.clone().requires_grad_(true);
    AdamW adamw({{"w", "language_model", ours, true}}, {0.9, 0.95, 1e-8, 0.1});
    torch::optim::AdamW reference(
        {theirs}, torch::optim::AdamWOptions(1e-2).betas({0.9, 0.95}).eps(1e-8).weight_decay(0.1));
    for (int step = 0; step < 20; ++step) {
      const torch::Tensor gradient = torch::randn({7, 5});
      ours.mutable_grad() = gradient.clone();
      theirs.mutable_grad() = gradient.clone();
      adamw.step(1e-2);
      reference.step();
    }
    QVERIFY((ours - theirs).abs().max().item<double>() < 1e-6);
  }

  void half_precision_moves_as_float32_rounded_once() {
    torch::manual_seed(4);
    torch::Tensor narrow = torch::randn({64}).to(torch::kBFloat16).requires_grad_(true);
    torch::Tensor wide = narrow.detach().to(torch::kFloat32).requires_grad_(true);
    AdamW first({{"w", "", narrow, true}}, {}), second({{"w", "", wide, true}}, {});
    const torch::Tensor gradient = torch::randn({64}).to(torch::kBFloat16);
    narrow.mutable_grad() = gradient.clone();
    wide.mutable_grad() = gradient.to(torch::kFloat32);
    first.step(1e-2);
    second.step(1e-2);
    QVERIFY((narrow.to(torch::kFloat32) - wide.to(torch::kBFloat16).to(torch::kFloat32))
                .abs()
                .max()
                .item<double>() < 0.02);
    QVERIFY(first.state().at("w.exp_avg").scalar_type() == torch::kFloat32);
  }

  void takes_its_settings_from_the_recipe() {
    torch::Tensor by_name = torch::full({6}, 2.0f).requires_grad_(true),
                  by_hand = torch::full({6}, 2.0f).requires_grad_(true);
    TrainingSettings training;
    training.adam_beta1 = 0.5, training.adam_beta2 = 0.75, training.adam_epsilon = 1e-3;
    training.weight_decay = 0.25;
    auto made = make_optimizer({{"w", "", by_name, true}}, training);
    QVERIFY(made.ok());
    AdamW direct({{"w", "", by_hand, true}}, {0.5, 0.75, 1e-3, 0.25});
    for (int step = 0; step < 3; ++step) {
      for (torch::Tensor* tensor : {&by_name, &by_hand})
        tensor->mutable_grad() = torch::full({6}, 0.1f * static_cast<float>(step + 1));
      made.value()->step(0.1);
      direct.step(0.1);
    }
    QVERIFY(by_name.equal(by_hand));
    training.optim = "adamw_of_another_kind";
    QVERIFY(!make_optimizer({}, training).ok());
  }
};

QTEST_APPLESS_MAIN(TestAdamW)
#include "test_adamw.moc"
