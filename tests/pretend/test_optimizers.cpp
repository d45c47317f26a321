// SPDX-License-Identifier: GPL-3.0-or-later
// Every optimizer over tensors of a device: the steps are the CPU's, and paged state waits in the
// machine's memory, comes for its step in rounds, and goes back.
#include "engine/config/kinds.h"
#include "engine/optim/optimizers.h"
#include "tests/pretend/pretend.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

Recipe by(const char* optim) {
  Recipe recipe;
  [[maybe_unused]] const Status set = set_field(recipe, "training.optim", optim);
  recipe.training.weight_decay = 0.1;
  return recipe;
}

struct Ran {
  std::vector<Tensor> weights;  // on the CPU
  std::map<std::string, Tensor> state;
  std::int64_t there = 0, paged = 0;  ///< bytes of state
};

/// Steps of tensors of these sizes, of which the first is a matrix.
Ran ran(const Recipe& recipe, torch::Device device, torch::ScalarType type,
        const std::vector<std::vector<std::int64_t>>& sizes, int steps,
        const std::map<std::string, Tensor>& from = {}, int done = 0) {
  torch::manual_seed(3);
  std::vector<TrainedTensor> tensors;
  std::vector<Tensor> drifts;
  for (const auto& each : sizes) {
    TrainedTensor trained;
    trained.name = "w" + std::to_string(tensors.size());
    trained.tensor = torch::randn(each).to(type).to(device).requires_grad_(true);
    trained.use = each.size() == 2 ? TensorUse::Matrix : TensorUse::Other;
    tensors.push_back(trained);
    drifts.push_back(torch::randn(each));
  }
  const auto optimizer = make_optimizer(tensors, recipe);
  if (!from.empty()) {
    if (!optimizer->load_state(from, "test")) qFatal("state");
    const torch::NoGradGuard no_grad;
    const auto masters = optimizer->masters();
    for (TrainedTensor& each : tensors)
      if (masters.contains(each.name)) each.tensor.copy_(masters.at(each.name));
  }
  for (int step = 0; step < done + steps; ++step) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const Tensor gradient = (drifts[i] + torch::randn(sizes[i])).to(type);
      if (step >= done) tensors[i].tensor.mutable_grad() = gradient.to(device);
    }
    if (step >= done) optimizer->step(1e-3);
  }
  Ran result;
  for (const TrainedTensor& each : tensors) result.weights.push_back(each.tensor.detach().cpu());
  for (const auto& [name, tensor] : optimizer->state()) result.state[name] = tensor.cpu();
  result.there = optimizer->state_bytes(), result.paged = optimizer->paged_bytes();
  return result;
}

bool same(const Tensor& made, const Tensor& wanted) {
  if (made.scalar_type() == torch::kUInt8) {  // a code may lie beside the other at a border
    const Tensor apart = (made.to(torch::kInt) - wanted.to(torch::kInt)).abs();
    return apart.max().item<int>() <= 1 && apart.to(torch::kFloat32).mean().item<float>() < 1e-3;
  }
  return torch::allclose(made.to(torch::kFloat64), wanted.to(torch::kFloat64), 1e-4, 1e-6);
}

}  // namespace

class TestOptimizers : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }

  void steps_are_those_of_the_cpu() {
    const std::vector<std::vector<std::int64_t>> sizes{{70, 80}, {33}, {400, 300}, {5000}};
    for (const OptimizerKind& kind : optimizer_kinds()) {
      for (const torch::ScalarType type : {torch::kFloat32, torch::kBFloat16}) {
        const Recipe recipe = by(kind.name);
        const Ran there = ran(recipe, pretend::device(), type, sizes, 3),
                  here = ran(recipe, torch::kCPU, type, sizes, 3);
        for (std::size_t i = 0; i < sizes.size(); ++i)
          QVERIFY2(same(there.weights[i], here.weights[i]), kind.name);
        QCOMPARE(there.state.size(), here.state.size());
        for (const auto& [name, tensor] : here.state)
          QVERIFY2(same(there.state.at(name), tensor), (std::string(kind.name) + " " + name).c_str());
        std::int64_t paged = 0;
        for (const auto& each : sizes)
          paged += paged_bytes(state_layout(recipe), {each, TensorUse::Other});
        QCOMPARE(there.paged, paged);
        QCOMPARE(here.paged, 0);
        QCOMPARE(there.there + there.paged, here.there);
        const bool pages = std::string(kind.name).starts_with("paged");
        QCOMPARE(paged > 0, pages);
      }
    }
  }

  /// More state than a round has room for.
  void pages_come_in_rounds() {
    const std::vector<std::vector<std::int64_t>> sizes(5, {2'000'000});
    const Recipe paged = by("paged_adamw_32bit"), plain = by("adamw_torch");
    QVERIFY(5 * paged_bytes(state_layout(paged), {{2'000'000}}) > kPagedBytes);
    pretend::release_pages();
    pretend::reset_peak();
    const std::int64_t before = pretend::live_bytes();
    const Ran there = ran(paged, pretend::device(), torch::kFloat32, sizes, 2);
    const std::int64_t most = pretend::peak_bytes() - before;
    const Ran here = ran(plain, torch::kCPU, torch::kFloat32, sizes, 2);
    for (std::size_t i = 0; i < sizes.size(); ++i) QVERIFY(same(there.weights[i], here.weights[i]));
    // Weights, gradients and a round's pages: no moments of all tensors.
    QVERIFY2(most < 5 * 2 * 8'000'000 + kPagedBytes + (1 << 20), qPrintable(QString::number(most)));
  }

  void a_resume_takes_pages_back_to_where_they_were() {
    const std::vector<std::vector<std::int64_t>> sizes{{400, 300}, {33}};
    for (const char* optim : {"paged_adamw_32bit", "paged_adamw_8bit"}) {
      const Recipe recipe = by(optim);
      const Ran whole = ran(recipe, pretend::device(), torch::kBFloat16, sizes, 4),
                first = ran(recipe, pretend::device(), torch::kBFloat16, sizes, 2),
                rest = ran(recipe, pretend::device(), torch::kBFloat16, sizes, 2, first.state, 2);
      for (std::size_t i = 0; i < sizes.size(); ++i)
        QVERIFY(rest.weights[i].equal(whole.weights[i]));
      QCOMPARE(rest.paged, whole.paged);
      QCOMPARE(rest.there, whole.there);
    }
  }
};

QTEST_APPLESS_MAIN(TestOptimizers)
#include "test_optimizers.moc"
