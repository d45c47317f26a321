// SPDX-License-Identifier: GPL-3.0-or-later
// Schedule-free AdamW against its formulas, a number at a time; which point is shown when, and what
// a checkpoint holds of the three.
#include <cmath>

#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.95, kDecay = 0.25, kRate = 0.1;
constexpr int kWarmup = 3;

Recipe schedule_free() {
  Recipe recipe;
  recipe.training.optim = "schedule_free_adamw";
  recipe.training.adam_beta1 = kBeta1, recipe.training.adam_beta2 = kBeta2;
  recipe.training.weight_decay = kDecay;
  return recipe;
}

/// The algorithm as its paper has it, in doubles: x and z are kept, y lies between them.
struct Paper {
  std::vector<double> x, z, squares;
  double weights = 0, top = 0;
  int steps = 0;

  explicit Paper(const std::vector<double>& start) : x(start), z(start), squares(start.size()) {}
  double y(std::size_t i) const { return (1 - kBeta1) * z[i] + kBeta1 * x[i]; }
  void step(const std::vector<double>& gradient) {
    ++steps;
    const double rate = kRate * std::min(1.0, static_cast<double>(steps) / kWarmup);
    top = std::max(top, rate);
    weights += top * top;
    const double share = top * top / weights;
    for (std::size_t i = 0; i < x.size(); ++i) {
      squares[i] = kBeta2 * squares[i] + (1 - kBeta2) * gradient[i] * gradient[i];
      const double root = std::sqrt(squares[i] / (1 - std::pow(kBeta2, steps)));
      z[i] -= rate * (gradient[i] / (root + 1e-8) + kDecay * y(i));
      x[i] = (1 - share) * x[i] + share * z[i];
    }
  }
};

const std::vector<std::vector<double>> kGradients{
    {0.5, -1, 0}, {-0.01, 2, 0.1}, {-4, 0.3, -0.2}, {0.1, 0.1, 0.1}, {1, -2, 3}};

Tensor gradient(std::size_t step) {
  return torch::tensor(kGradients[step % kGradients.size()]).to(torch::kFloat32);
}

std::unique_ptr<Optimizer> over(const Tensor& tensor) {
  auto made = make_optimizer({{"w", "", tensor, true}}, schedule_free());
  made->set_warmup(kWarmup);
  return made;
}

}  // namespace

class TestScheduleFree : public QObject {
  Q_OBJECT

 private slots:
  void follows_the_paper() {
    Tensor weight = torch::tensor({1.0f, -2.0f, 0.5f}).requires_grad_(true);
    const auto optimizer = over(weight);
    Paper paper({1, -2, 0.5});
    const auto near = [&](const Tensor& tensor, const auto& value) {
      for (std::size_t i = 0; i < 3; ++i) {
        if (std::abs(tensor.detach()[static_cast<std::int64_t>(i)].item<double>() - value(i)) >
            2e-6)
          return false;
      }
      return true;
    };
    for (std::size_t step = 0; step < 12; ++step) {
      weight.mutable_grad() = gradient(step);
      optimizer->step(kRate);
      paper.step(kGradients[step % kGradients.size()]);
      QVERIFY(near(weight, [&](std::size_t i) { return paper.y(i); }));
      const AveragesShown shown(*optimizer);
      QVERIFY(near(weight, [&](std::size_t i) { return paper.x[i]; }));
    }
  }

  void what_is_shown_changes_nothing() {
    for (const torch::ScalarType type : {torch::kFloat32, torch::kBFloat16}) {
      Tensor watched = torch::tensor({1.0f, -2.0f, 0.5f}).to(type).requires_grad_(true),
             left = watched.detach().clone().requires_grad_(true);
      const auto one = over(watched), other = over(left);
      for (std::size_t step = 0; step < 6; ++step) {
        watched.mutable_grad() = gradient(step).to(type),
        left.mutable_grad() = gradient(step).to(type);
        one->step(kRate);
        other->step(kRate);
        {
          const AveragesShown shown(*one), again(*one);
          QVERIFY(!watched.equal(left) || step == 0);
        }
        QVERIFY(watched.equal(left));
      }
    }
  }

  /// What a checkpoint's weights are is x; the run goes on from y, to the bit.
  void a_checkpoint_goes_on_from_what_trains() {
    for (const torch::ScalarType type : {torch::kFloat32, torch::kBFloat16}) {
      Tensor whole = torch::tensor({1.0f, -2.0f, 0.5f}).to(type).requires_grad_(true),
             parted = whole.detach().clone().requires_grad_(true);
      const auto one = over(whole), first = over(parted);
      const auto step = [&](Optimizer& optimizer, Tensor& tensor, std::size_t at) {
        tensor.mutable_grad() = gradient(at).to(type);
        optimizer.step(kRate);
      };
      for (std::size_t at = 0; at < 8; ++at) step(*one, whole, at);
      for (std::size_t at = 0; at < 4; ++at) step(*first, parted, at);
      std::map<std::string, Tensor> state, masters;
      Tensor saved;
      {
        const AveragesShown shown(*first);
        saved = parted.detach().clone().requires_grad_(true);
        for (const auto& [name, tensor] : first->state()) state[name] = tensor.clone();
        masters = first->masters();
      }
      if (type == torch::kBFloat16) {
        QVERIFY(saved.equal(masters.at("w").to(type)));  // of what is shown
        QVERIFY(!state.at("w.master").equal(masters.at("w")));
      }
      const auto second = over(saved);
      QVERIFY(second->load_state(state, "test").ok());
      QVERIFY(saved.equal(parted));
      for (std::size_t at = 4; at < 8; ++at) step(*second, saved, at);
      QVERIFY(saved.equal(whole));

      const auto refused = [&](const char* without) {
        auto less = state;
        less.erase(without);
        return !over(whole)->load_state(less, "test").ok();
      };
      QVERIFY(refused("schedule_free"));
      QVERIFY(refused("w.z"));
      if (type == torch::kFloat32) QVERIFY(refused("w.point"));
      state["other"] = torch::ones({1});
      QVERIFY(!over(whole)->load_state(state, "test").ok());
    }
  }

  void a_rate_of_nothing_moves_nothing() {
    Tensor weight = torch::ones({3}).requires_grad_(true);
    const auto optimizer = over(weight);
    weight.mutable_grad() = torch::ones({3});
    optimizer->step(0);
    QVERIFY(weight.equal(torch::ones({3})));
    const AveragesShown shown(*optimizer);
    QVERIFY(weight.equal(torch::ones({3})));
  }
};

QTEST_APPLESS_MAIN(TestScheduleFree)
#include "test_schedule_free_adamw.moc"
