// SPDX-License-Identifier: GPL-3.0-or-later
// What all optimizers share, shown on one that stands in this file alone: groups by decay, rate and
// count; state by layout, saved and read back; gradients that are missing.
#include "engine/optim/optimizer.h"

#include "engine/config/kinds.h"
#include "engine/device/memory.h"
#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

/// Descends by the mean of all gradients so far, and remembers in one byte a column whether any
/// gradient of it was negative.
class MeanDescent : public Optimizer {
 public:
  explicit MeanDescent(std::vector<TrainedTensor> tensors, double decay = 0)
      : Optimizer(std::move(tensors), layout, decay) {}

  static std::vector<StateTensor> layout(const TrainedShape& shape) {
    return {{"sum", shape.sizes}, {"seen", {shape.sizes.back()}, StateTensor::Type::UInt8}};
  }

  std::vector<std::size_t> group_sizes;  ///< of the last step

 protected:
  void update(const Group& group) override {
    group_sizes.push_back(group.members.size());
    for (const Moved& moved : group.members) {
      torch::Tensor sum = moved.state[0], seen = moved.state[1], parameter = moved.parameter;
      sum.add_(moved.gradient);
      seen.bitwise_or_(
          (moved.gradient < 0).view({-1, parameter.size(-1)}).any(0).to(torch::kUInt8));
      parameter.mul_(1 - group.rate * group.decay);
      parameter.sub_(sum, group.rate / static_cast<double>(group.step));
    }
  }
};

torch::Tensor weight(std::vector<std::int64_t> shape, float value = 1) {
  return torch::full(shape, value).requires_grad_(true);
}

/// With the kind's own defaults.
Recipe usual(const OptimizerKind& kind, double weight_decay = 0) {
  Recipe recipe;
  [[maybe_unused]] const Status set = set_field(recipe, "training.optim", kind.name);
  recipe.training.weight_decay = weight_decay;
  return recipe;
}

}  // namespace

class TestOptimizer : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { install_counting_allocator(); }

  void moves_what_has_a_gradient_and_nothing_else() {
    torch::Tensor moved = weight({3}), still = weight({3});
    MeanDescent optimizer({{"a", "", moved, true}, {"b", "", still, true}}, 0.5);
    moved.mutable_grad() = torch::ones({3});
    QCOMPARE(optimizer.gradient_bytes(), 12);
    QCOMPARE(optimizer.state_bytes(), 0);
    optimizer.step(0.5);
    QVERIFY(still.equal(torch::ones({3})));
    QVERIFY(moved.equal(torch::full({3}, 0.25f)));  // 1 · (1 − ½·½) − ½ · 1
    QCOMPARE(optimizer.state().size(), std::size_t(3));
    QCOMPARE(optimizer.state_bytes(), 12 + 3);
    optimizer.clear_gradients();
    QVERIFY(!moved.grad().defined());
    QCOMPARE(optimizer.gradient_bytes(), 0);
  }

  void groups_by_decay_rate_and_count() {
    torch::Tensor plain = weight({2}), same = weight({2}), spared = weight({2}),
                  faster = weight({2}), late = weight({2});
    std::vector<TrainedTensor> tensors{{"plain", "", plain, true},
                                       {"same", "", same, true},
                                       {"spared", "", spared, false},
                                       {"faster", "", faster, true, 4},
                                       {"late", "", late, true}};
    MeanDescent optimizer(tensors, 1);
    for (torch::Tensor* tensor : {&plain, &same, &spared, &faster})
      tensor->mutable_grad() = torch::ones({2});
    optimizer.step(0.125);
    QCOMPARE(optimizer.group_sizes, (std::vector<std::size_t>{1, 2, 1}));
    QVERIFY(plain.equal(torch::full({2}, 0.75f)) && same.equal(plain));
    QVERIFY(spared.equal(torch::full({2}, 0.875f)));
    QVERIFY(faster.equal(torch::zeros({2})));  // ½ of it decayed, ½ descended
    QVERIFY(late.equal(torch::ones({2})));

    optimizer.group_sizes.clear();
    late.mutable_grad() = torch::ones({2});
    optimizer.step(0.125);
    QCOMPARE(optimizer.group_sizes, (std::vector<std::size_t>{1, 1, 2, 1}));
    QVERIFY(late.equal(torch::full({2}, 0.75f)));  // its own first step
  }

  void state_goes_and_comes_back() {
    torch::Tensor a = weight({2, 3}), b = weight({2, 3});
    MeanDescent first({{"w", "", a, true}}), second({{"w", "", b, true}});
    a.mutable_grad() = torch::tensor({{0.5f, -0.5f, 0.25f}, {1.0f, 0.0f, 2.0f}});
    first.step(0.1);
    const auto saved = first.state();
    QCOMPARE(saved.size(), std::size_t(3));
    QVERIFY(saved.at("w.seen").equal(torch::tensor({0, 1, 0}, torch::kUInt8)));
    QCOMPARE(saved.at("w.step").item<std::int64_t>(), 1);
    {
      const torch::NoGradGuard no_grad;
      b.copy_(a);
    }
    QVERIFY(second.load_state(saved, "test").ok());
    for (torch::Tensor* tensor : {&a, &b}) tensor->mutable_grad() = torch::full({2, 3}, 0.25f);
    first.step(0.1);
    second.step(0.1);
    QVERIFY(a.equal(b));  // and nobody wrote into the other's state
    QVERIFY(first.state().at("w.sum").equal(second.state().at("w.sum")));
  }

  void state_that_does_not_fit_changes_nothing() {
    torch::Tensor a = weight({4});
    MeanDescent optimizer({{"w", "", a, true}});
    a.mutable_grad() = torch::ones({4});
    optimizer.step(0.1);
    const auto good = optimizer.state();
    const auto refused = [&](std::map<std::string, torch::Tensor> state) {
      return !optimizer.load_state(std::move(state), "test").ok() &&
             optimizer.state().at("w.sum").equal(torch::ones({4}));
    };
    auto state = good;
    state["other.sum"] = torch::ones({4});
    QVERIFY(refused(state));
    state = good;
    state["w.sum"] = torch::ones({5});
    QVERIFY(refused(state));
    state = good;
    state["w.step"] = torch::ones({1});  // a float is no count
    QVERIFY(refused(state));
    state = good;
    state.erase("w.seen");
    QVERIFY(refused(state));
    state = good;
    state.erase("w.step");
    QVERIFY(refused(state));
    QVERIFY(optimizer.load_state({}, "test").ok());  // as before the first step
    QCOMPARE(optimizer.state_bytes(), 0);
  }

  void a_layout_says_the_bytes_that_are_then_held() {
    QCOMPARE(state_bytes(MeanDescent::layout, {{2, 3}}), 2 * 3 * 4 + 3);
    Recipe recipe;
    for (const OptimizerKind& kind : optimizer_kinds()) {
      for (const std::vector<std::int64_t>& shape :
           {std::vector<std::int64_t>{6}, {3, 5}, {2, 3, 4}, {2, 3, 1, 4}, {70, 70}, {5000}}) {
        for (const TensorUse use : {TensorUse::Other, TensorUse::Matrix, TensorUse::Embedding}) {
          TrainedTensor trained{"w", "", weight(shape)};
          trained.use = use;
          recipe.training.optim = kind.name;
          const auto made = make_optimizer({trained}, recipe);
          trained.tensor.mutable_grad() = torch::ones(shape);
          made->step(1e-3);
          QCOMPARE(made->state_bytes(), state_bytes(state_layout(recipe), {shape, use}));
          QCOMPARE(made->paged_bytes(), 0);  // on the CPU nothing waits anywhere else
        }
      }
    }
  }

  void every_kind_moves_down_a_slope_and_resumes_to_the_bit() {
    for (const OptimizerKind& kind : optimizer_kinds()) {
      const Recipe recipe = usual(kind, 0.01);
      for (const auto& [rows, type] : {std::pair(6, torch::kFloat32),
                                       {6, torch::kBFloat16},
                                       {1030, torch::kFloat32},
                                       {1030, torch::kBFloat16}}) {
        torch::manual_seed(7);
        torch::Tensor whole = torch::randn({rows, 4}).to(type).requires_grad_(true),
                      parted = whole.detach().clone().requires_grad_(true);
        const auto make = [&](torch::Tensor& tensor) {
          TrainedTensor trained{"w", "", tensor};
          trained.use = TensorUse::Matrix;
          return make_optimizer({trained}, recipe);
        };
        const auto step = [&](Optimizer& optimizer, torch::Tensor& tensor) {
          tensor.mutable_grad() = tensor.detach() * 2;
          optimizer.step(0.02);
        };
        const auto size = [](const torch::Tensor& tensor) {
          return tensor.detach().to(torch::kFloat32).square().sum().item<double>();
        };
        // Its steps are as large as a matrix is, whatever its numbers are.
        const double least = std::string(kind.name) == "muon" && rows > 6 ? 0.999 : 0.9;
        const double before = size(whole);
        const auto one = make(whole), first = make(parted);
        for (int i = 0; i < 10; ++i) step(*one, whole);
        for (int i = 0; i < 5; ++i) step(*first, parted);
        const auto second = make(parted);
        QVERIFY2(second->load_state(first->state(), "test").ok(), kind.name);
        for (int i = 0; i < 5; ++i) step(*second, parted);
        QVERIFY2(whole.equal(parted), kind.name);
        QVERIFY2(size(whole) < least * before, kind.name);
      }
    }
  }

  /// Half a bfloat16's last bit is 0.2 % of a weight, steps at such rates are far less: rounded
  /// into the weight, 85 % of these would never move.
  void bfloat16_weights_move_as_float32_does() {
    Recipe recipe;
    for (const OptimizerKind& kind : optimizer_kinds()) {
      recipe.training.optim = kind.name;
      torch::manual_seed(1);
      torch::Tensor narrow = (torch::randn({200, 500}) * 0.02).to(torch::kBFloat16);
      const torch::Tensor start = narrow.to(torch::kFloat32), drift = torch::randn({200, 500});
      torch::Tensor wide = start.clone().requires_grad_(true);
      narrow.requires_grad_(true);
      const auto ours = make_optimizer({{"w", "", narrow, true}}, recipe),
                 reference = make_optimizer({{"w", "", wide, true}}, recipe);
      for (int step = 0; step < 200; ++step) {
        narrow.mutable_grad() = ((drift + torch::randn({200, 500})) * 1e-3).to(torch::kBFloat16);
        wide.mutable_grad() = narrow.grad().to(torch::kFloat32);
        ours->step(1e-5);
        reference->step(1e-5);
      }
      const torch::Tensor master = ours->masters().at("w");
      QVERIFY2(master.equal(wide.detach()), kind.name);
      QVERIFY2(narrow.equal(master.to(torch::kBFloat16)), kind.name);
      const double still = (master == start).to(torch::kFloat32).mean().item<double>();
      QVERIFY2(still < 0.01, qPrintable(QString("%1: %2").arg(kind.name).arg(still)));
    }
  }

  /// Gradients of several micro-batches come as float32 sums.
  void masters_move_by_float32_sums_as_float32_weights_do() {
    Recipe recipe;
    recipe.training.weight_decay = 0.01;
    for (const OptimizerKind& kind : optimizer_kinds()) {
      recipe.training.optim = kind.name;
      torch::manual_seed(4);
      torch::Tensor narrow = torch::randn({20, 30}).to(torch::kBFloat16);
      torch::Tensor wide = narrow.to(torch::kFloat32).requires_grad_(true);
      narrow.requires_grad_(true);
      const auto ours = make_optimizer({{"w", "", narrow, true}}, recipe),
                 reference = make_optimizer({{"w", "", wide, true}}, recipe);
      for (int step = 0; step < 5; ++step) {
        const torch::Tensor sum = torch::randn({20, 30});  // of digits that bfloat16 has not
        narrow.mutable_grad() = sum.clone(), wide.mutable_grad() = sum.clone();
        ours->step(1e-3);
        reference->step(1e-3);
      }
      QVERIFY2(ours->masters().at("w").equal(wide.detach()), kind.name);
      QVERIFY2(narrow.equal(wide.detach().to(torch::kBFloat16)), kind.name);
    }
  }

  void a_master_begins_where_it_is_said_and_goes_with_the_state() {
    Recipe recipe;
    const torch::Tensor exact = torch::full({4}, 1.001f);  // bfloat16 has 1 and 1.0078
    torch::Tensor a = exact.to(torch::kBFloat16).requires_grad_(true),
                  b = a.detach().clone().requires_grad_(true);
    TrainedTensor begun{"w", "", a};
    begun.master = exact.clone();
    const auto first = make_optimizer({begun}, recipe);
    QVERIFY(first->masters().at("w").equal(exact));
    a.mutable_grad() = torch::ones({4}, torch::kBFloat16);
    first->step(1e-4);
    const torch::Tensor master = first->masters().at("w");
    QVERIFY(torch::allclose(master, exact - 1e-4, 0, 1e-6));
    QCOMPARE(first->state_bytes(), 3 * 16);
    auto state = first->state();
    const auto second = make_optimizer({{"w", "", b, true}}, recipe);
    QVERIFY(second->load_state(state, "test").ok());
    QVERIFY(second->masters().at("w").equal(master));
    state.erase("w.master");  // as checkpoints of before
    const auto third = make_optimizer({{"w", "", b, true}}, recipe);
    QVERIFY(third->load_state(state, "test").ok());
    QVERIFY(third->masters().at("w").equal(torch::ones({4})));
    state["w.master"] = torch::ones({5});
    QVERIFY(!third->load_state(state, "test").ok());
  }

  /// Memory that runs out anywhere in a step leaves all as it was, or the optimizer says that what
  /// it holds must not be kept.
  void a_step_is_whole_or_says_that_it_is_not() {
    for (const OptimizerKind& kind : optimizer_kinds()) {
      const Recipe recipe = usual(kind);
      int failed = 0;
      const auto full = torch::kFloat32, half = torch::kBFloat16;
      for (const auto& types : {std::pair(full, full), {half, half}, {half, full}}) {
        const torch::ScalarType type = types.first, of_gradients = types.second;
        for (const bool first_step : {true, false}) {
          for (int count = 1;; ++count) {
            torch::manual_seed(7);
            torch::Tensor a = torch::randn({70, 60}).to(type).requires_grad_(true),
                          b = torch::randn({5}).to(type).requires_grad_(true);
            TrainedTensor matrix{"a", "", a};
            matrix.use = TensorUse::Matrix;
            const auto optimizer = make_optimizer({matrix, {"b", "", b, false}}, recipe);
            const auto set_gradients = [&] {
              a.mutable_grad() = torch::randn({70, 60}).to(of_gradients);
              b.mutable_grad() = torch::randn({5}).to(of_gradients);
            };
            set_gradients();
            if (!first_step) {
              optimizer->step(0.01);
              set_gradients();
            }
            std::map<std::string, torch::Tensor> before{{"a", a.detach().clone()},
                                                        {"b", b.detach().clone()}};
            for (const auto& [name, tensor] : optimizer->state()) before[name] = tensor.clone();
            bool thrown = false;
            fail_allocation(count);
            try {
              optimizer->step(0.01);
            } catch (const c10::OutOfMemoryError&) {
              thrown = true;
            }
            fail_allocation(0);
            if (!thrown) {
              QVERIFY2(optimizer->is_whole(), kind.name);
              QVERIFY2(!a.equal(before.at("a")), kind.name);
              break;
            }
            ++failed;
            if (!optimizer->is_whole()) continue;
            std::map<std::string, torch::Tensor> after = optimizer->state();
            after["a"] = a.detach(), after["b"] = b.detach();
            QCOMPARE(after.size(), before.size());
            for (const auto& [name, tensor] : before)
              QVERIFY2(tensor.equal(after.at(name)), kind.name);
          }
        }
      }
      QVERIFY2(failed > 0, kind.name);  // something was allocated, or nothing was tried
    }
  }
};

QTEST_APPLESS_MAIN(TestOptimizer)
#include "test_optimizer.moc"
