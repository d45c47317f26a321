// SPDX-License-Identifier: GPL-3.0-or-later
// AdamW's kernel against the optimizer without it: weights, masters and moments of many steps, more
// tensors than a launch takes, and a launch that fails in the middle of a step.
#include "engine/optim/optimizers.h"
#include "tests/kernels/kernel_cases.h"
#include "tests/kernels/shim_launcher.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using test::Launching;
using torch::Tensor;

namespace {

/// Tensors of both types and odd sizes; every third does not decay, one never has a gradient.
std::vector<TrainedTensor> tensors() {
  torch::manual_seed(5);
  std::vector<TrainedTensor> all;
  for (int i = 0; i < 300; ++i) {
    const std::int64_t size = i == 7 ? 70'000 : i % 5 == 0 ? 33 + i : 64;
    const Tensor weight = torch::randn({size}).to(i % 2 == 0 ? torch::kBFloat16 : torch::kFloat32);
    TrainedTensor one;
    one.name = "w" + std::to_string(i);
    one.tensor = weight.requires_grad_(true);
    one.decay = i % 3 != 0;
    all.push_back(one);
  }
  return all;
}

struct Ran {
  std::vector<Tensor> weights;
  std::map<std::string, Tensor> state;
  bool whole = true;
};

/// `sums`: every other bfloat16 tensor's gradient is float32, as those of several micro-batches.
Ran ran(int steps, bool sums = false) {
  const std::vector<TrainedTensor> all = tensors();
  Recipe recipe;
  recipe.training.optim = "adamw_torch";
  recipe.training.weight_decay = 0.1;
  const auto optimizer = make_optimizer(all, recipe);
  for (int step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      Tensor tensor = all[i].tensor;
      const Tensor gradient = torch::randn(tensor.sizes()).mul_(0.1);
      tensor.mutable_grad() = sums && i % 4 == 0 ? gradient : gradient.to(tensor.scalar_type());
    }
    optimizer->step(1e-2);
  }
  Ran result;
  for (const TrainedTensor& each : all) result.weights.push_back(each.tensor.detach().clone());
  result.state = optimizer->state();
  result.whole = optimizer->is_whole();
  return result;
}

}  // namespace

class TestAdamwKernel : public QObject {
  Q_OBJECT

  void compare(const Ran& made, const Ran& expected) {
    QVERIFY(made.whole);
    QCOMPARE(made.state.size(), expected.state.size());
    for (std::size_t i = 0; i < made.weights.size(); ++i)
      VERIFY_NEAR(made.weights[i], expected.weights[i]);
    for (const auto& [name, tensor] : expected.state) {
      if (tensor.scalar_type() == torch::kInt64)
        QVERIFY(made.state.at(name).equal(tensor));
      else
        VERIFY_NEAR(made.state.at(name), tensor);
    }
  }

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void many_steps_of_many_tensors() {
    const Ran expected = ran(4);
    shim::ShimLauncher shim;
    const Launching launching(&shim);
    compare(ran(4), expected);
    // Groups by decay and type: of 100, 100, 50 and 50 tensors, 64 a launch.
    QVERIFY(shim.launches["adamw_float"] > 0 && shim.launches["adamw_bfloat16"] > 0);
    const int launches = shim.launches["adamw_float"] + shim.launches["adamw_bfloat16"];
    QVERIFY2(launches <= 4 * 6, std::to_string(launches).c_str());
  }

  void sums_move_masters_too() {
    const Ran expected = ran(4, true);
    shim::ShimLauncher shim;
    const Launching launching(&shim);
    compare(ran(4, true), expected);
    QVERIFY(shim.launches["adamw_float_bfloat16"] >= 4 && shim.launches["adamw_bfloat16"] >= 4);
  }

  void a_weight_is_its_master_s_rounding() {
    shim::ShimLauncher shim;
    const Launching launching(&shim);
    const Ran made = ran(2);
    for (std::size_t i = 0; i + 1 < made.weights.size(); i += 2) {
      const Tensor master = made.state.at("w" + std::to_string(i) + ".master");
      QVERIFY(master.to(torch::kBFloat16).equal(made.weights[i]));
    }
  }

  void launches_that_fail_leave_the_rest_to_aten() {
    const Ran expected = ran(2);
    for (const int good : {0, 1, 2, 3, 9}) {
      shim::ShimLauncher shim;
      struct Failing : Launcher {
        shim::ShimLauncher& inside;
        int left;
        Failing(shim::ShimLauncher& i, int l) : inside(i), left(l) {}
        bool launch(const Launch& asked, int device) override {
          return left-- > 0 && inside.launch(asked, device);
        }
      } failing{shim, good};
      const Launching launching(&failing);
      compare(ran(2), expected);
    }
  }

  void who_watches_a_weight_sees_that_it_changed() {
    shim::ShimLauncher shim;
    const Launching launching(&shim);
    const std::vector<TrainedTensor> all = tensors();
    Recipe recipe;
    recipe.training.optim = "adamw_torch";
    const auto optimizer = make_optimizer({all[0], all[1]}, recipe);
    for (const std::size_t i : {0u, 1u}) {
      Tensor tensor = all[i].tensor;
      tensor.mutable_grad() = torch::ones_like(tensor);
    }
    const auto before = all[0].tensor._version(), also = all[1].tensor._version();
    optimizer->step(1e-2);
    QVERIFY(all[0].tensor._version() > before && all[1].tensor._version() > also);
  }
};

QTEST_GUILESS_MAIN(TestAdamwKernel)
#include "test_adamw_kernel.moc"
