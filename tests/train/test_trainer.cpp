// SPDX-License-Identifier: GPL-3.0-or-later
// A run's promises: a resume ends in the same bytes wherever it was cut; nothing that is not finite is ever written; memory and disk that run out
// leave a run that goes on; what does not belong to a run is refused with what differs.
#include <cmath>
#include <limits>

#include "engine/adapters/adapter.h"
#include "engine/io/safetensors.h"
#include "engine/train/memory.h"
#include "engine/train/trainer.h"

#include <QtTest>   // after LibTorch: its keyword `slots` is a name there

#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Does something at a step's log line or between steps, and keeps what it was told.
class Watcher : public TrainObserver {
 public:
  std::function<void(std::int64_t)> at_step;
  std::function<void()> between;
  std::vector<RunEvent> events;
  std::vector<MetricsLine> lines;
  std::shared_ptr<Adapter> adapter;

  void on_step(const MetricsLine& line, double) override {
    lines.push_back(line);
    if (at_step) at_step(line.step);
  }
  void on_event(const RunEvent& event) override { events.push_back(event); }
  void on_adapter(std::shared_ptr<Adapter> given) override {
    if (given) adapter = std::move(given);
  }
  bool between_steps() override {
    if (between) between();
    return false;
  }
  int count(const std::string& kind) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const RunEvent& event) { return event.kind == kind; }));
  }
};

Result<LoadedModel> load(const Recipe& recipe) {
  LoadOptions options;
  options.device = "cpu";
  options.random_weights = true;
  options.seed = static_cast<std::uint64_t>(recipe.training.seed);
  return load_model(recipe.model, options);
}

struct Outcome {
  Result<RunResult> result = Error{};
  Watcher watcher;
};

Outcome run(const Recipe& recipe, std::optional<fs::path> resume = {}, const std::function<void(Watcher&, TrainControl&, LoadedModel&)>& set_up = {}, TrainerOptions options = {}) {
  Outcome outcome;
  auto begun = begin_run(recipe, resume);
  if (!begun) {
    outcome.result = begun.error();
    return outcome;
  }
  auto base = load(recipe);
  if (!base) {
    outcome.result = base.error();
    return outcome;
  }
  TrainControl control;
  if (set_up) set_up(outcome.watcher, control, *base);
  outcome.result = train(*base, begun.take(), options, control, outcome.watcher);
  return outcome;
}

/// The sentence of an outcome that failed; null for one that did not. (QVERIFY2 would evaluate a run twice.)
QByteArray fault_of(const Outcome& outcome) { return outcome.result ? QByteArray() : QByteArray::fromStdString(outcome.result.error().sentence()); }

#define VERIFY_OK(...)                              \
  do {                                              \
    const QByteArray fault = fault_of(__VA_ARGS__); \
    QVERIFY2(fault.isNull(), fault.constData());    \
  } while (false)

}  // namespace

class TestTrainer : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  void stops_and_resumes_to_the_byte_data() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<int>("stop_at");
    for (const QString strategy : {"lora", "full", "freeze"}) {
      for (const int step : {1, 2, 3, 5, 8}) QTest::newRow(qPrintable(QString("%1, step %2").arg(strategy).arg(step))) << strategy << step;   // 3 steps an epoch: 3 is its edge
    }
  }
  void stops_and_resumes_to_the_byte() {
    QFETCH(QString, strategy);
    QFETCH(int, stop_at);
    TinyRun tiny;
    const std::vector<std::string> settings{"strategy=" + strategy.toStdString(), "training.logging_steps=2", "training.eval_steps=4",
                                            "eval_dataset=" + (tiny.root() / "eval.jsonl").string(), "training.learning_rate=1.0e-3"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    int seen = 0;
    const Outcome cut = run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done / 3 >= stop_at && !seen) seen = 1, control.stop(true);   // also in the middle of a window
      };
    });
    VERIFY_OK(cut);
    QCOMPARE(cut.result->state, RunState::Stopped);
    const Outcome rest = run(recipe, tiny.root() / "cut");
    VERIFY_OK(rest);
    QCOMPARE(rest.result->state, RunState::Finished);
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(), qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  void goes_on_from_the_last_checkpoint_alone() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole")));
    const Recipe recipe = tiny.recipe("cut");
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == 5) control.stop(false);
      };
    }));
    QVERIFY(fs::exists(tiny.root() / "cut/checkpoints/step-000003"));
    QVERIFY(!fs::exists(tiny.root() / "cut/checkpoints/step-000005"));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(), qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
    const Outcome again = run(recipe, tiny.root() / "cut");   // a finished run is not touched
    QVERIFY(!again.result.ok() || again.result->state == RunState::Finished);
  }

  void an_init_from_keeps_its_settings_on_a_resume() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("first", {"adapter.r=2", "adapter.lora_alpha=6"})));
    const std::vector<std::string> settings{"adapter.init_from=" + (tiny.root() / "first/adapter").string(), "adapter.r=8"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) { if (step == 4) control.stop(true); };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(), qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
    const Json config = *read_json_file(tiny.root() / "whole/adapter/adapter_config.json");
    QCOMPARE(config["r"].get<int>(), 2);
  }

  void a_fixed_towers_features_change_no_bit() {
    TinyRun tiny;
    const std::vector<std::string> settings{"adapter.target_modules=q_proj", "adapter.exclude_modules=.*vision_tower.*", "training.max_steps=12"};
    TrainerOptions none;
    none.max_cache_bytes = 0;
    VERIFY_OK(run(tiny.recipe("kept", settings)));
    VERIFY_OK(run(tiny.recipe("computed", settings), {}, {}, none));
    QVERIFY2(differences(tiny.root() / "kept", tiny.root() / "computed").isEmpty(), qPrintable(differences(tiny.root() / "kept", tiny.root() / "computed")));
  }

  void checkpointing_changes_no_bit() {
    TinyRun tiny;
    TrainerOptions on;
    on.gradient_checkpointing = true;
    VERIFY_OK(run(tiny.recipe("off")));
    VERIFY_OK(run(tiny.recipe("on"), {}, {}, on));
    QVERIFY2(differences(tiny.root() / "on", tiny.root() / "off").isEmpty(), qPrintable(differences(tiny.root() / "on", tiny.root() / "off")));
  }

  void a_loss_that_is_not_finite_writes_nothing() {
    TinyRun tiny;
    const Outcome outcome = run(tiny.recipe("run", {"training.save_total_limit=1", "training.save_steps=1"}), {}, [](Watcher& watcher, TrainControl&, LoadedModel& base) {
      watcher.at_step = [&](std::int64_t step) {
        if (step != 4) return;
        const torch::NoGradGuard no_grad;
        base.model->named_parameters()["model.language_model.norm.weight"].fill_(std::numeric_limits<float>::quiet_NaN());
      };
    });
    QVERIFY(!outcome.result.ok());
    QVERIFY(QString::fromStdString(outcome.result.error().what).contains("loss"));
    QVERIFY(QString::fromStdString(outcome.result.error().what).contains("rows.jsonl: row"));
    QCOMPARE(outcome.watcher.count("warning"), 3);
    const auto folder = RunFolder::open(tiny.root() / "run");
    QCOMPARE(folder->read_manifest()->state, RunState::Failed);
    QCOMPARE(folder->newest_whole_checkpoint()->step, 4);
    const auto file = SafetensorsFile::open(folder->newest_whole_checkpoint()->path / "adapter/adapter_model.safetensors");
    for (const auto& [name, info] : file->header().tensors) {
      const auto bytes = file->find(name)->bytes();
      const auto* values = reinterpret_cast<const float*>(bytes->data());
      for (std::int64_t i = 0; i < info.elements(); ++i) QVERIFY(std::isfinite(values[i]));
    }
    VERIFY_OK(run(tiny.recipe("run", {"training.save_total_limit=1", "training.save_steps=1"}), tiny.root() / "run"));
  }

  void a_gradient_that_is_not_finite_is_skipped_once() {
    TinyRun tiny;
    auto poisoned = std::make_shared<bool>(false);
    const Outcome outcome = run(tiny.recipe("run"), {}, [&](Watcher& watcher, TrainControl&, LoadedModel&) {
      watcher.at_step = [&, poisoned](std::int64_t step) {
        if (step != 2) return;
        *poisoned = true;
        torch::Tensor tensor;
        for (const auto& [name, each] : watcher.adapter->tensors()) {
          if (name.find("language_model.layers.0") != std::string::npos) tensor = each;
        }
        tensor.register_hook([poisoned](const torch::Tensor& gradient) { return *poisoned ? gradient * std::numeric_limits<float>::infinity() : gradient; });
      };
      watcher.between = [&, poisoned] {
        if (watcher.count("warning") == 1) *poisoned = false;
      };
    });
    VERIFY_OK(outcome);
    QCOMPARE(outcome.watcher.count("warning"), 1);
    bool named = false;
    for (const RunEvent& event : outcome.watcher.events) named = named || (event.step == 3 && QString::fromStdString(event.detail).contains("gradient's norm"));
    QVERIFY(named);
    QCOMPARE(outcome.watcher.lines.back().step, 9);
    for (const MetricsLine& line : outcome.watcher.lines) QVERIFY(std::isfinite(line.loss) && std::isfinite(line.grad_norm) && line.step != 3);
  }

  void memory_that_runs_out_leaves_a_run_that_goes_on() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole")));
    const Outcome outcome = run(tiny.recipe("run"), {}, [](Watcher& watcher, TrainControl&, LoadedModel&) {
      watcher.at_step = [](std::int64_t step) { if (step == 5) set_memory_cap(memory_use(torch::kCPU).allocated + 40'000); };
    });
    set_memory_cap(0);
    QVERIFY(!outcome.result.ok());
    QVERIFY(outcome.result.error().code == ErrorCode::Machine);
    QVERIFY(QString::fromStdString(outcome.result.error().hint).contains("gradient_checkpointing"));
    VERIFY_OK(run(tiny.recipe("run"), tiny.root() / "run"));
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "whole").isEmpty(), qPrintable(differences(tiny.root() / "run", tiny.root() / "whole")));
  }

  void old_checkpoints_go_and_the_newest_stay() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("run", {"training.save_steps=1", "training.save_total_limit=2"})));
    std::vector<std::int64_t> steps;
    for (const Checkpoint& checkpoint : RunFolder::open(tiny.root() / "run")->checkpoints()) steps.push_back(checkpoint.step);
    QCOMPARE(steps, (std::vector<std::int64_t>{8, 9}));
  }

  void a_changed_run_is_refused() {
    TinyRun tiny;
    const auto stop_at_4 = [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&control](std::int64_t step) { if (step == 4) control.stop(true); };
    };
    VERIFY_OK(run(tiny.recipe("run"), {}, stop_at_4));
    const auto refused = [&](const Recipe& recipe) {
      const Outcome outcome = run(recipe, tiny.root() / "run");
      return outcome.result.ok() ? QString() : QString::fromStdString(outcome.result.error().sentence());
    };
    QVERIFY(refused(tiny.recipe("run", {"training.learning_rate=1.0e-3"})).contains("training.learning_rate"));
    QVERIFY(refused(tiny.recipe("run", {"training.max_steps=20"})).contains("training.max_steps"));
    QVERIFY(refused(tiny.recipe("run", {"training.seed=1"})).contains("training.seed"));
    make_rows(tiny.root() / "rows.jsonl", 12);
    QVERIFY(!refused(tiny.recipe("run")).isEmpty());
    make_rows(tiny.root() / "rows.jsonl", 11);
    Json config = *read_json_file(tiny.root() / "model/config.json");
    config["text_config"]["rms_norm_eps"] = 1e-5;
    write_text(tiny.root() / "model/config.json", config.dump(2));
    QVERIFY(refused(tiny.recipe("run")).contains("model changed"));
  }

  void rows_that_cannot_train_stop_it_before_the_start() {
    TinyRun tiny;
    write_text(tiny.root() / "rows.jsonl", row(0, "yes", "").dump() + "\n" + row(1, "no", tiny.root() / "missing.png").dump() + "\n");
    const Outcome outcome = run(tiny.recipe("run"));
    QVERIFY(!outcome.result.ok());
    QVERIFY(QString::fromStdString(outcome.result.error().what).contains("missing.png"));
    QVERIFY(!fs::exists(tiny.root() / "run"));
    const Outcome skipped = run(tiny.recipe("run", {"image.on_error=skip"}));
    VERIFY_OK(skipped);
    QCOMPARE(skipped.watcher.count("warning"), 1);
  }

  void a_changed_rate_holds_and_survives_a_resume() {
    TinyRun tiny;
    const std::vector<std::string> settings{"training.lr_scheduler_type=constant", "training.warmup_steps=0"};
    const Recipe recipe = tiny.recipe("run", settings);
    VERIFY_OK(run(recipe, {}, [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&control](std::int64_t step) {
        if (step == 2) control.set_learning_rate(5e-4);
        if (step == 5) control.stop(true);
      };
    }));
    const Outcome rest = run(recipe, tiny.root() / "run");
    VERIFY_OK(rest);
    QCOMPARE(rest.watcher.lines.front().learning_rate, 5e-4);
    QCOMPARE(RunFolder::open(tiny.root() / "run")->read_metrics()[1].learning_rate, 2e-3);
    QCOMPARE(RunFolder::open(tiny.root() / "run")->read_metrics()[2].learning_rate, 5e-4);
  }

  void measured_parts_are_sums_of_tensors() {
    TinyRun tiny;
    const Outcome outcome = run(tiny.recipe("run", {"training.max_steps=3"}));
    VERIFY_OK(outcome);
    const MetricsMemory& memory = outcome.watcher.lines.back().memory;
    std::int64_t adapter = 0;
    for (const auto& [name, tensor] : outcome.watcher.adapter->tensors()) adapter += static_cast<std::int64_t>(tensor.nbytes());
    QCOMPARE(memory.adapter, adapter);
    QVERIFY(memory.optimizer > 0 && memory.optimizer == 2 * memory.gradients);
    QVERIFY(memory.activations > 0 && memory.peak >= memory.weights + memory.adapter + memory.optimizer && memory.rss > 0);
  }
};

QTEST_GUILESS_MAIN(TestTrainer)
#include "test_trainer.moc"
