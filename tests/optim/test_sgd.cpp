// SPDX-License-Identifier: GPL-3.0-or-later
// Gradient descent against LibTorch's own.
#include <torch/serialize/input-archive.h>
#include <torch/serialize/output-archive.h>

// After those, which it needs whole (engine/device/declared).
#include <torch/optim/sgd.h>

#include "engine/config/kinds.h"
#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

Recipe sgd(const std::vector<std::pair<const char*, const char*>>& settings) {
  Recipe recipe;
  recipe.training.optim = "sgd";
  for (const auto& [key, value] : settings) {
    if (!set_field(recipe, key, value)) qFatal("%s", key);
  }
  return recipe;
}

}  // namespace

class TestSgd : public QObject {
  Q_OBJECT

 private slots:
  void follows_torchs_sgd_data() {
    QTest::addColumn<double>("momentum");
    QTest::addColumn<double>("dampening");
    QTest::addColumn<bool>("nesterov");
    QTest::newRow("plain") << 0.0 << 0.0 << false;
    QTest::newRow("momentum") << 0.9 << 0.0 << false;
    QTest::newRow("dampened") << 0.8 << 0.3 << false;
    QTest::newRow("nesterov") << 0.9 << 0.0 << true;
  }
  void follows_torchs_sgd() {
    QFETCH(double, momentum);
    QFETCH(double, dampening);
    QFETCH(bool, nesterov);
    torch::manual_seed(3);
    const torch::Tensor start = torch::randn({7, 5});
    torch::Tensor ours = start.clone().requires_grad_(true),
                  theirs = start.clone().requires_grad_(true);
    const std::string first = std::to_string(momentum), second = std::to_string(dampening);
    const auto optimizer = make_optimizer({{"w", "", ours, true}},
                                          sgd({{"training.momentum", first.c_str()},
                                               {"training.dampening", second.c_str()},
                                               {"training.nesterov", nesterov ? "true" : "false"},
                                               {"training.weight_decay", "0.1"}}));
    torch::optim::SGD reference({theirs}, torch::optim::SGDOptions(1e-2)
                                              .momentum(momentum)
                                              .dampening(dampening)
                                              .nesterov(nesterov)
                                              .weight_decay(0.1));
    for (int step = 0; step < 20; ++step) {
      const torch::Tensor gradient = torch::randn({7, 5});
      ours.mutable_grad() = gradient.clone();
      theirs.mutable_grad() = gradient.clone();
      optimizer->step(1e-2);
      reference.step();
    }
    QVERIFY((ours - theirs).abs().max().item<double>() < 1e-6);
    QCOMPARE(optimizer->state_bytes(), momentum > 0 ? 7 * 5 * 4 : 0);
  }

  void nesterov_needs_a_momentum() {
    const OptimizerKind& kind = optimizer_kind("sgd");
    QVERIFY(kind.check(sgd({})).ok());
    QVERIFY(!kind.check(sgd({{"training.nesterov", "true"}})).ok());
    QVERIFY(kind.check(sgd({{"training.nesterov", "true"}, {"training.momentum", "0.9"}})).ok());
    QVERIFY(!kind.check(sgd({{"training.nesterov", "true"},
                             {"training.momentum", "0.9"},
                             {"training.dampening", "0.1"}}))
                 .ok());
  }
};

QTEST_APPLESS_MAIN(TestSgd)
#include "test_sgd.moc"
