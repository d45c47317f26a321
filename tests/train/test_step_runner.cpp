// SPDX-License-Identifier: GPL-3.0-or-later
// A window's gradients in bfloat16: those of many micro-batches are added as float32 adds them, and
// those of one stay what the backward made, in their own type and memory.
#include "tests/train/watched_run.h"

#include <cmath>

#include "engine/nn/batch_part.h"
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

RowReader reader_of(const TinyRun& tiny, const LoadedModel& base) {
  RowReader reader;
  reader.dataset = Dataset::open({tiny.root() / "rows.jsonl"}).take();
  reader.processor = base.processor;
  return reader;
}

/// From where they begin, the same way each time.
void move_away(const Trainables& trainables, double by) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  for (const TrainedTensor& trained : trainables.tensors)
    torch::Tensor(trained.tensor).add_(torch::randn_like(trained.tensor), by);
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
    RowReader reader = reader_of(tiny, base);
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
      const std::string& name = trainables.tensors[i].name;
      const torch::Tensor gradient = trainables.tensors[i].tensor.grad();
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
    RowReader reader = reader_of(tiny, base);
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

  /// One micro-batch on two threads of its own is the same on both together, but for the order of
  /// sums, and the same to the bit whoever is first.
  void parts_side_by_side_are_the_whole_data() {
    QTest::addColumn<QStringList>("settings");
    QTest::newRow("float32") << QStringList{};
    QTest::newRow("a tower that stands still")
        << QStringList{"adapter.exclude_modules=.*vision_tower.*"};
    QTest::newRow("several micro-batches") << QStringList{"batches=2"};
    QTest::newRow("bfloat16") << QStringList{"training.dtype=bfloat16"};
    QTest::newRow("bfloat16, a module trained whole")
        << QStringList{"training.dtype=bfloat16", "adapter.modules_to_save=lm_head"};
    QTest::newRow("bottleneck") << QStringList{"strategy=bottleneck"};
  }
  void parts_side_by_side_are_the_whole() {
    QFETCH(QStringList, settings);
    TinyRun tiny({}, 32);
    const bool several = settings.removeAll("batches=2") > 0;
    std::vector<std::string> all;
    for (const QString& each : settings) all.push_back(each.toStdString());
    if (!settings.contains("strategy=bottleneck")) all.push_back("adapter.lora_dropout=0");
    const Recipe recipe = tiny.recipe("run", all);
    LoadedModel base = load(recipe).take();
    const auto objective = make_objective(recipe).take();
    RowReader reader = reader_of(tiny, base);
    const Trainables trainables = apply_strategy(base, recipe).take();
    // Where B is zero, A has no gradient.
    move_away(trainables, 0.05);
    StepRunner runner(base, *objective, trainables, nullptr);
    const auto gradients = [&](int threads, double& loss) {
      at::set_num_threads(threads);
      Window window = window_of(reader, 32);
      std::vector<MicroBatch> rows = std::move(window.batches);
      window.batches.resize(several ? 2 : 1);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        MicroBatch& batch = window.batches[i % window.batches.size()];
        batch.rows.push_back(rows[i].rows[0]), batch.cached.emplace_back();
        batch.encoded.push_back(std::move(rows[i].encoded[0]));
      }
      const WindowOutcome outcome = runner.accumulate(window, 3, 0).take();
      at::set_num_threads(1);
      loss = outcome.loss;
      std::vector<torch::Tensor> made;
      for (const TrainedTensor& trained : trainables.tensors)
        made.push_back(std::exchange(trained.tensor.mutable_grad(), torch::Tensor()));
      return made;
    };
    double loss = 0, loss_in_parts = 0, loss_again = 0;
    const auto whole = gradients(1, loss), in_parts = gradients(2, loss_in_parts),
               again = gradients(2, loss_again);
    const bool narrow = recipe.training.dtype == "bfloat16";
    QVERIFY(std::abs(loss_in_parts / loss - 1) < (narrow ? 1e-3 : 1e-6));
    QCOMPARE(loss_in_parts, loss_again);
    int reached = 0, apart = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      const std::string& name = trainables.tensors[i].name;
      QCOMPARE(in_parts[i].defined(), whole[i].defined());
      if (!whole[i].defined()) continue;
      ++reached;
      QVERIFY2(in_parts[i].equal(again[i]), name.c_str());
      const auto wide = [](const torch::Tensor& x) { return x.to(torch::kFloat64); };
      const double far = (wide(in_parts[i]) - wide(whole[i])).norm().item<double>(),
                   size = wide(whole[i]).norm().item<double>();
      QVERIFY2(far <= size * (narrow ? 2e-2 : 1e-5), name.c_str());
      apart += far > 0;
      if (trainables.tensors[i].tensor.itemsize() < 4)
        QCOMPARE(in_parts[i].scalar_type(), torch::kFloat32);
    }
    QVERIFY(reached > 10 && apart > 0);  // they did go in parts
    trainables.adapter->deactivate();
  }

  /// What dropout drops differs from part to part: the same row in both has two losses.
  void parts_drop_by_themselves() {
    TinyRun tiny({}, 32);
    const Recipe recipe = tiny.recipe("run", {"adapter.lora_dropout=0.5"});
    LoadedModel base = load(recipe).take();
    const auto objective = make_objective(recipe).take();
    RowReader reader = reader_of(tiny, base);
    const Trainables trainables = apply_strategy(base, recipe).take();
    move_away(trainables, 0.3);
    trainables.adapter->set_training(true, 5);
    Policy policy(base, trainables.adapter, false, nullptr);
    MicroBatch rows = std::move(window_of(reader, 1).batches[0]);
    const Batch batch =
        policy.batch(rows, objective->row_kind().order(), BatchMaker::Pass::Training);
    const auto loss = [&](std::uint64_t part) {
      const torch::NoGradGuard no_grad;
      const BatchPart here(part);
      return objective->loss(policy, batch).sum.item<double>();
    };
    QCOMPARE(BatchPart::here(), std::uint64_t(0));
    const double first = loss(0), second = loss(1);
    QVERIFY(first != second);
    QCOMPARE(loss(0), first);
    QCOMPARE(loss(1), second);
    trainables.adapter->deactivate();
  }
};

QTEST_GUILESS_MAIN(TestStepRunner)
#include "test_step_runner.moc"
