// SPDX-License-Identifier: GPL-3.0-or-later
// Muon: what it makes of a matrix, how large its steps are, and what it leaves to AdamW.
#include <cmath>

#include "engine/config/kinds.h"
#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Recipe muon(const std::vector<std::pair<const char*, const char*>>& settings = {}) {
  Recipe recipe;
  if (!set_field(recipe, "training.optim", "muon")) qFatal("optim");
  for (const auto& [key, value] : settings) {
    if (!set_field(recipe, key, value)) qFatal("%s", key);
  }
  return recipe;
}

std::unique_ptr<Optimizer> over(const Tensor& tensor, TensorUse use, const Recipe& recipe) {
  TrainedTensor trained{"w", "", tensor};
  trained.use = use;
  return make_optimizer({trained}, recipe);
}

/// The step that a matrix of zeros takes by this gradient at a rate of 1.
Tensor step_of(const Tensor& gradient, const Recipe& recipe) {
  Tensor weight = torch::zeros(gradient.sizes()).requires_grad_(true);
  const auto optimizer = over(weight, TensorUse::Matrix, recipe);
  weight.mutable_grad() = gradient.clone();
  optimizer->step(1);
  return -weight.detach();
}

}  // namespace

class TestMuon : public QObject {
  Q_OBJECT

 private slots:
  void has_the_defaults_of_its_own() {
    const Recipe recipe = muon();
    QCOMPARE(recipe.more.number("training.momentum"), 0.95);
    QVERIFY(recipe.more.flag("training.nesterov"));
  }

  void a_step_has_the_gradients_directions_and_none_of_its_sizes() {
    torch::manual_seed(1);
    for (const auto& [rows, columns] : {std::pair(24, 16), {16, 24}, {20, 20}}) {
      const Tensor gradient = torch::randn({rows, columns});
      const Tensor step = step_of(gradient, muon());
      const auto [u, s, v] = at::linalg_svd(step, /*full_matrices=*/false);
      const double scale = std::sqrt(std::max(1.0, static_cast<double>(rows) / columns));
      QVERIFY(s.max().item<double>() < 1.3 * scale);
      const auto [gu, gs, gv] = at::linalg_svd(gradient, /*full_matrices=*/false);
      // In the gradient's own directions it is nearly diagonal.
      const Tensor turned = gu.t().mm(step).mm(gv.t());
      const Tensor rest = turned - turned.diag().diag();
      QVERIFY(rest.abs().max().item<double>() < 0.05 * scale);
      QVERIFY(turned.diag().min().item<double>() > 0);
    }
  }

  /// Fifty steps on given gradients, against Jordan's formula written out once more; the rounds are
  /// in bfloat16 in both, so that nothing but their order could differ.
  void follows_the_formula_for_fifty_steps() {
    constexpr double kRate = 0.01, kMomentum = 0.95, kDecay = 0.1;
    torch::manual_seed(4);
    Tensor weight = torch::randn({24, 40}).requires_grad_(true);
    Tensor wanted = weight.detach().clone(), average = torch::zeros({24, 40});
    Recipe recipe = muon();
    QVERIFY(set_field(recipe, "training.weight_decay", "0.1"));
    TrainedTensor trained{"w", "", weight};
    trained.use = TensorUse::Matrix;
    trained.decay = true;
    const auto optimizer = make_optimizer({trained}, recipe);
    for (int step = 0; step < 50; ++step) {
      const Tensor gradient = torch::randn({24, 40});
      weight.mutable_grad() = gradient.clone();
      optimizer->step(kRate);
      average = kMomentum * average + (1 - kMomentum) * gradient;
      Tensor x = ((1 - kMomentum) * gradient + kMomentum * average).to(torch::kBFloat16);
      x = x / x.norm().clamp_min(1e-7);
      for (int round = 0; round < 5; ++round) {
        const Tensor a = x.mm(x.t()), b = at::addmm(a, a, a, -4.775, 2.0315);
        x = at::addmm(x, b, x, 3.4445, 1);
      }
      wanted = wanted * (1 - kRate * kDecay) - kRate * x.to(torch::kFloat32);
    }
    const double off = (weight.detach() - wanted).abs().max().item<double>();
    QVERIFY2(off < 1e-3, qPrintable(QString::number(off)));
    QVERIFY((weight.detach() - wanted).abs().mean().item<double>() < 1e-4);
  }

  void the_scale_goes_by_the_shape() {
    torch::manual_seed(1);
    const Tensor gradient = torch::randn({48, 12});
    const Tensor original = step_of(gradient, muon()),
                 matched =
                     step_of(gradient, muon({{"training.muon_adjust_lr_fn", "match_rms_adamw"}}));
    QVERIFY(torch::allclose(matched / (0.2 * std::sqrt(48.0)), original / 2, 1e-5, 1e-6));
  }

  void what_is_no_inner_matrix_goes_by_adamw() {
    torch::manual_seed(5);
    Recipe adamw = muon();
    adamw.training.optim = "adamw_torch";
    const auto same = [&](std::vector<std::int64_t> shape, TensorUse use) {
      const Tensor start = torch::randn(shape), gradient = torch::randn(shape);
      Tensor ours = start.clone().requires_grad_(true), theirs = start.clone().requires_grad_(true);
      const auto one = over(ours, use, muon()), other = over(theirs, use, adamw);
      ours.mutable_grad() = gradient.clone(), theirs.mutable_grad() = gradient.clone();
      one->step(1e-2);
      other->step(1e-2);
      return ours.equal(theirs);
    };
    QVERIFY(same({6, 5}, TensorUse::Other));  // the head's
    QVERIFY(same({6, 5}, TensorUse::Embedding));
    QVERIFY(same({5}, TensorUse::Other));
    QVERIFY(same({4, 3, 2, 2}, TensorUse::Other));
    QVERIFY(!same({6, 5}, TensorUse::Matrix));
  }

  void keeps_one_number_for_each_of_a_matrix() {
    const StateLayout layout = state_layout(muon());
    QCOMPARE(state_bytes(layout, {{30, 20}, TensorUse::Matrix}), 4 * 600);
    QCOMPARE(state_bytes(layout, {{30, 20}, TensorUse::Embedding}), 8 * 600);
    QCOMPARE(state_bytes(layout, {{30}}), 8 * 30);
  }

  void adapters_are_refused() {
    Recipe recipe = muon();
    recipe.strategy = "lora";
    QVERIFY(!optimizer_kind("muon").check(recipe).ok());
    recipe.strategy = "full";
    QVERIFY(optimizer_kind("muon").check(recipe).ok());
  }
};

QTEST_APPLESS_MAIN(TestMuon)
#include "test_muon.moc"
