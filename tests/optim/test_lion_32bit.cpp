// SPDX-License-Identifier: GPL-3.0-or-later
// Lion against its formula, a number at a time.
#include <cmath>

#include "engine/config/kinds.h"
#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

class TestLion : public QObject {
  Q_OBJECT

 private slots:
  void follows_its_formula() {
    Recipe recipe;
    TrainingSettings& training = recipe.training;
    training.optim = "lion_32bit";
    training.adam_beta1 = 0.9, training.adam_beta2 = 0.95, training.weight_decay = 0.25;
    torch::Tensor weight = torch::tensor({1.0f, -2.0f, 0.5f}).requires_grad_(true);
    auto lion = make_optimizer({{"w", "", weight, true}}, recipe);
    std::vector<double> value{1, -2, 0.5}, momentum{0, 0, 0};
    const std::vector<std::vector<double>> gradients{
        {0.5, -1, 0}, {-0.01, 2, 0.1}, {-4, 0.3, -0.2}, {0.1, 0.1, 0.1}};
    for (const std::vector<double>& gradient : gradients) {
      weight.mutable_grad() = torch::tensor(gradient).to(torch::kFloat32);
      lion->step(0.1);
      for (std::size_t i = 0; i < value.size(); ++i) {
        const double mixed = 0.9 * momentum[i] + 0.1 * gradient[i];
        value[i] *= 1 - 0.1 * 0.25;
        value[i] -= 0.1 * (mixed > 0 ? 1 : mixed < 0 ? -1 : 0);
        momentum[i] = 0.95 * momentum[i] + 0.05 * gradient[i];
        QVERIFY(std::abs(weight[static_cast<std::int64_t>(i)].item<double>() - value[i]) < 1e-6);
      }
    }
  }

  void keeps_one_moment_a_weight() {
    Recipe recipe;
    recipe.training.optim = "lion_32bit";
    QCOMPARE(state_bytes(state_layout(recipe), {{3, 5}}), 3 * 5 * 4);
  }
};

QTEST_APPLESS_MAIN(TestLion)
#include "test_lion_32bit.moc"
