// SPDX-License-Identifier: GPL-3.0-or-later
// Losses of ORPO, CPO, KTO, BCO and reward models against numbers worked out by hand and against
// their own slopes.
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>

#include "engine/objectives/preference_losses.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Tensor tensor_of(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), torch::kFloat64);
}

double log_sigma(double x) { return -std::log1p(std::exp(-x)); }
double sigma(double x) { return 1 / (1 + std::exp(-x)); }

bool holds(const Tensor& got, std::initializer_list<double> wanted) {
  const bool same = at::allclose(got, tensor_of(wanted), 1e-9, 1e-12);
  if (!same)
    for (std::int64_t i = 0; i < got.size(0); ++i) qWarning("%.12g", got[i].item<double>());
  return same;
}

preference::CpoSettings cpo(const char* type, double smoothing = 0) {
  return {type, /*beta=*/0.5, smoothing, /*gamma=*/0.4, /*alpha=*/0};
}

}  // namespace

class TestPreferenceLosses : public QObject {
  Q_OBJECT

 private slots:
  void losses_are_their_formulas() {
    // Odds of p = 0.5 are 1, of 0.8 they are 4, of 0.2 a quarter.
    QVERIFY(
        holds(preference::log_odds(at::log(tensor_of({0.8, 0.2})), at::log(tensor_of({0.5, 0.8}))),
              {std::log(4.0), -std::log(16.0)}));
    const Tensor chosen = tensor_of({-2, -5}), rejected = tensor_of({-3.5, -1});  // 1.5 and −4
    QVERIFY(holds(preference::cpo_loss(chosen, rejected, cpo("sigmoid")),
                  {-log_sigma(0.75), -log_sigma(-2)}));
    QVERIFY(holds(preference::cpo_loss(chosen, rejected, cpo("sigmoid", 0.2)),
                  {-0.8 * log_sigma(0.75) - 0.2 * log_sigma(-0.75),
                   -0.8 * log_sigma(-2) - 0.2 * log_sigma(2)}));
    QVERIFY(holds(preference::cpo_loss(chosen, rejected, cpo("hinge")), {0.25, 3}));
    QVERIFY(holds(preference::cpo_loss(chosen, rejected, cpo("ipo")), {0.25, 25}));
    QVERIFY(holds(preference::cpo_loss(chosen, rejected, cpo("simpo")),
                  {-log_sigma(0.35), -log_sigma(-2.4)}));
    // p = 1/2 under alpha 1 is 1 − 2, under alpha −1 it is −(1 − 1/2).
    const Tensor half = at::log(tensor_of({0.5}));
    QVERIFY(holds(preference::alpha_reward(half, 1), {-1}));
    QVERIFY(holds(preference::alpha_reward(half, -1), {-0.5}));
    QVERIFY(holds(preference::alpha_reward(half, 0), {std::log(0.5)}));

    const Tensor ratios = tensor_of({1, 1}), signs = tensor_of({1, -1}), kl = tensor_of({0.2});
    QVERIFY(holds(preference::kto_loss(ratios, signs, kl, 0.5), {1 - sigma(0.4), 1 - sigma(-0.4)}));
    QVERIFY(holds(preference::kto_loss(ratios, signs, tensor_of({0}), 0.5),
                  {1 - sigma(0.5), sigma(0.5)}));
    QVERIFY(
        holds(preference::bco_loss(ratios, signs, 0.25), {-log_sigma(0.75), -log_sigma(-0.75)}));
    // A difference of 1.5 and one of −4, of which the rows ask for 0.5 and −1; sums −5.5 and −6.
    const Tensor margins = tensor_of({0.5, -1});
    QVERIFY(holds(preference::reward_loss(chosen, rejected, margins, {}),
                  {-log_sigma(1), -log_sigma(-3)}));
    QVERIFY(holds(preference::reward_loss(chosen, rejected, margins, 0.1),
                  {-log_sigma(1) + 3.025, -log_sigma(-3) + 3.6}));
    QVERIFY(holds(preference::reward_loss(chosen, chosen, tensor_of({0, 0}), {}),
                  {std::log(2.0), std::log(2.0)}));
  }

  void slopes_are_those_of_the_losses() {
    const Tensor signs = tensor_of({1, -1}), kl = tensor_of({0.3});
    const Tensor other = tensor_of({-3.1, -1.2});
    const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&)>>> all{
        {"odds", [&](const Tensor& x) { return preference::log_odds(x, other); }},
        {"odds of the rejected", [&](const Tensor& x) { return preference::log_odds(other, x); }},
        {"alpha", [&](const Tensor& x) { return preference::alpha_reward(x, 0.4); }},
        {"sigmoid",
         [&](const Tensor& x) { return preference::cpo_loss(x, other, cpo("sigmoid", 0.1)); }},
        {"hinge", [&](const Tensor& x) { return preference::cpo_loss(x, other, cpo("hinge")); }},
        {"ipo", [&](const Tensor& x) { return preference::cpo_loss(x, other, cpo("ipo")); }},
        {"simpo", [&](const Tensor& x) { return preference::cpo_loss(x, other, cpo("simpo")); }},
        {"kto", [&](const Tensor& x) { return preference::kto_loss(x, signs, kl, 0.5); }},
        {"reward", [&](const Tensor& x) { return preference::reward_loss(x, other, kl, 0.3); }},
        {"bco", [&](const Tensor& x) { return preference::bco_loss(x, signs, 0.1); }}};
    for (const auto& [name, loss] : all) {
      Tensor at = tensor_of({-0.35, -2.2});  // on either side of where log(1 − p) changes its form
      at.set_requires_grad(true);
      const Tensor gradient = torch::autograd::grad({loss(at).sum()}, {at})[0];
      const torch::NoGradGuard no_grad;
      constexpr double kStep = 1e-6;
      for (std::int64_t i = 0; i < 2; ++i) {
        const auto moved = [&](double by) {
          Tensor there = at.detach().clone();
          there[i] += by;
          return loss(there).sum().item<double>();
        };
        const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
        QVERIFY2(
            std::abs(gradient[i].item<double>() - slope) < 1e-6 * std::max(1.0, std::abs(slope)),
            name);
      }
    }
  }

  void odds_near_certainty_keep_their_digits() {
    Tensor nearly = torch::tensor({-1e-6f, -40.f});
    nearly.set_requires_grad(true);
    const Tensor odds = preference::log_odds(nearly, torch::tensor({-1.f, -1.f}));
    const double of_the_other = -1 - std::log1p(-std::exp(-1.0));
    QVERIFY(std::abs(odds[0].item<double>() - (13.8155106 - of_the_other)) < 1e-4);
    QVERIFY(std::abs(odds[1].item<double>() - (-40 - of_the_other)) < 1e-4);
    const Tensor gradient = torch::autograd::grad({odds.sum()}, {nearly})[0];
    QVERIFY(gradient.isfinite().all().item<bool>());
  }

  void figures_of_single_answers_are_of_those_that_are_there() {
    const Tensor rewards = tensor_of({1, 2, 6}), log_probs = tensor_of({-1, -2, -6});
    const auto both = preference::single_figures(rewards, log_probs, {true, false, true});
    QCOMPARE(both.at("rewards/chosen").item<double>(), 3.5);
    QCOMPARE(both.at("logps/rejected").item<double>(), -2.0);
    QCOMPARE(both.at("rewards/margins").item<double>(), 1.5);
    const auto good = preference::single_figures(rewards, log_probs, {true, true, true});
    QVERIFY(!good.contains("rewards/rejected") && !good.contains("rewards/margins"));
    QCOMPARE(good.at("rewards/chosen").item<double>(), 3.0);
  }
};

QTEST_GUILESS_MAIN(TestPreferenceLosses)
#include "test_preference_losses.moc"
