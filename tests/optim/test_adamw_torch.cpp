// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW against LibTorch's own.
#include <torch/serialize/input-archive.h>
#include <torch/serialize/output-archive.h>

// After those, which it needs whole (engine/device/declared).
#include <torch/optim/adamw.h>

#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

std::unique_ptr<Optimizer> adamw(torch::Tensor tensor, double beta1 = 0.9, double beta2 = 0.999,
                                 double epsilon = 1e-8, double weight_decay = 0) {
  Recipe recipe;
  recipe.training.adam_beta1 = beta1, recipe.training.adam_beta2 = beta2;
  recipe.training.adam_epsilon = epsilon, recipe.training.weight_decay = weight_decay;
  return make_optimizer({{"w", "language_model", tensor, true}}, recipe);
}

}  // namespace

class TestAdamW : public QObject {
  Q_OBJECT

 private slots:
  void follows_torchs_adamw() {
    torch::manual_seed(3);
    const torch::Tensor start = torch::randn({7, 5});
    torch::Tensor ours = start.clone().requires_grad_(true),
                  theirs = start.clone().requires_grad_(true);
    const auto optimizer = adamw(ours, 0.9, 0.95, 1e-7, 0.1);
    torch::optim::AdamW reference(
        {theirs}, torch::optim::AdamWOptions(1e-2).betas({0.9, 0.95}).eps(1e-7).weight_decay(0.1));
    for (int step = 0; step < 20; ++step) {
      const torch::Tensor gradient = torch::randn({7, 5});
      ours.mutable_grad() = gradient.clone();
      theirs.mutable_grad() = gradient.clone();
      optimizer->step(1e-2);
      reference.step();
    }
    QVERIFY((ours - theirs).abs().max().item<double>() < 1e-6);
  }

  void reads_a_checkpoint_of_before() {
    torch::Tensor weight = torch::ones({4}).requires_grad_(true);
    const auto optimizer = adamw(weight);
    QVERIFY(optimizer
                ->load_state({{"w.exp_avg", torch::ones({4})},
                              {"w.exp_avg_sq", torch::ones({4})},
                              {"w.step", torch::tensor({std::int64_t(3)})}},
                             "test")
                .ok());
    QCOMPARE(optimizer->state().at("w.step").item<std::int64_t>(), 3);
  }
};

QTEST_APPLESS_MAIN(TestAdamW)
#include "test_adamw_torch.moc"
