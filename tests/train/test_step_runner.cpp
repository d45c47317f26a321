// SPDX-License-Identifier: GPL-3.0-or-later
// A window's gradients in bfloat16: those of many micro-batches are added as float32 adds them, and
// those of one stay what the backward made, in their own type and memory.
#include "tests/train/watched_run.h"

#include <cmath>

#include "engine/train/step_runner.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Each of these rows as a micro-batch.
Window window_of(const RowReader& reader, int rows) {
  Window window;
  for (std::int64_t row = 0; row < rows; ++row) {
    MicroBatch& batch = window.batches.emplace_back();
    batch.rows.push_back(row), batch.cached.emplace_back();
    batch.encoded.push_back(reader.read(row).take());
  }
  return window;
}

}  // namespace

class TestStepRunner : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void adds_micro_batches_in_float32_data() {
    QTest::addColumn<int>("rows");
    QTest::addColumn<bool>("checkpointing");
    QTest::newRow("32 micro-batches") << 32 << false;
    QTest::newRow("32 micro-batches, recomputed") << 32 << true;
    QTest::newRow("one micro-batch") << 1 << false;
  }
  void adds_micro_batches_in_float32() {
    QFETCH(int, rows);
    QFETCH(bool, checkpointing);
    TinyRun tiny({}, 32);
    const Recipe recipe = tiny.recipe("run", {"strategy=full", "training.dtype=bfloat16"});
    LoadedModel base = load(recipe).take();
    base.model->set_gradient_checkpointing(checkpointing);
    const auto objective = make_objective(recipe).take();
    RowReader reader;
    reader.dataset = Dataset::open({tiny.root() / "rows.jsonl"}).take();
    reader.processor = base.processor;
    const Trainables trainables = apply_strategy(base, recipe).take();
    // What each backward gives, added up in float64.
    std::vector<torch::Tensor> exact(trainables.tensors.size()), sizes(exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const torch::Tensor& tensor = trainables.tensors[i].tensor;
      exact[i] = torch::zeros(tensor.sizes(), torch::kFloat64), sizes[i] = exact[i].clone();
      tensor.register_hook([&exact, &sizes, i](const torch::Tensor& gradient) {
        exact[i] += gradient, sizes[i] += gradient.abs();
      });
    }
    StepRunner runner(base, *objective, trainables, nullptr);
    Window window = window_of(reader, rows);
    const WindowOutcome outcome = runner.accumulate(window, 3, 0).take();
    QVERIFY(outcome.finite && outcome.norm > 0);
    double squares = 0;
    int reached = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const auto& [name, part, tensor, decay, rate, master] = trainables.tensors[i];
      const torch::Tensor gradient = tensor.grad();
      if (!gradient.defined()) continue;
      ++reached;
      QCOMPARE(gradient.scalar_type(), rows > 1 ? torch::kFloat32 : torch::kBFloat16);
      const torch::Tensor apart = (gradient - exact[i]).abs();
      const double allowed = rows * std::ldexp(1.0, -24);
      QVERIFY2((apart <= sizes[i] * allowed).all().item<bool>(), name.c_str());
      squares += exact[i].square().sum().item<double>();
    }
    QVERIFY(reached > 20);
    QVERIFY(std::abs(outcome.norm / std::sqrt(squares) - 1) < 1e-5);
  }

  /// What other micro-batches do not reach (a tower, where a row alone has a picture) counts too.
  void a_tensor_that_one_micro_batch_reaches_has_its_gradient() {
    TinyRun tiny;
    write_text(tiny.root() / "rows.jsonl", row(0, "yes", "").dump() + "\n" +
                                               row(1, "no", "").dump() + "\n" +
                                               row(2, "no", fixture() / "a.png").dump() + "\n");
    const Recipe recipe = tiny.recipe("run", {"strategy=full", "training.dtype=bfloat16"});
    LoadedModel base = load(recipe).take();
    const auto objective = make_objective(recipe).take();
    RowReader reader;
    reader.dataset = Dataset::open({tiny.root() / "rows.jsonl"}).take();
    reader.processor = base.processor;
    const Trainables trainables = apply_strategy(base, recipe).take();
    StepRunner runner(base, *objective, trainables, nullptr);
    Window window = window_of(reader, 3);
    QVERIFY(runner.accumulate(window, 3, 0).take().finite);
    int late = 0;
    for (const TrainedTensor& trained : trainables.tensors) {
      const torch::Tensor gradient = trained.tensor.grad();
      if (!gradient.defined() || trained.part != "vision_tower") continue;
      ++late;
      QVERIFY(gradient.abs().max().item<float>() > 0);
    }
    QVERIFY(late > 0);
  }
};

QTEST_GUILESS_MAIN(TestStepRunner)
#include "test_step_runner.moc"
