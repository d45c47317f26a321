// SPDX-License-Identifier: GPL-3.0-or-later
// Steps that are not finite: nothing of them is ever written, a few in a row end the run, and a run
// that ends on them has no result.
#include "tests/train/watched_run.h"

#include <cmath>

#include "engine/device/memory.h"
#include "engine/io/safetensors.h"

using namespace luthier;
using namespace luthier::test;

class TestBadSteps : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  void a_loss_that_is_not_finite_writes_nothing() {
    TinyRun tiny;
    const Outcome outcome =
        run(tiny.recipe("run", {"training.save_total_limit=1", "training.save_steps=1"}), {},
            [](Watcher& watcher, TrainControl&, LoadedModel& base) {
              watcher.at_step = [&](std::int64_t step) {
                if (step == 4) poison(base);
              };
            });
    QVERIFY(!outcome.result.ok());
    QVERIFY(QString::fromStdString(outcome.result.error().what).contains("loss"));
    QVERIFY(QString::fromStdString(outcome.result.error().what).contains("rows.jsonl: row"));
    QCOMPARE(outcome.watcher.count("alarm"), 3);
    const auto folder = RunFolder::open(tiny.root() / "run");
    QCOMPARE(folder->read_manifest()->state, RunState::Failed);
    QCOMPARE(folder->newest_whole_checkpoint()->step, 4);
    const auto file = SafetensorsFile::open(folder->newest_whole_checkpoint()->path /
                                            "adapter/adapter_model.safetensors");
    for (const auto& [name, info] : file->header().tensors) {
      const auto bytes = file->find(name)->bytes();
      const auto* values = reinterpret_cast<const float*>(bytes->data());
      for (std::int64_t i = 0; i < info.elements(); ++i) QVERIFY(std::isfinite(values[i]));
    }
    VERIFY_OK(run(tiny.recipe("run", {"training.save_total_limit=1", "training.save_steps=1"}),
                  tiny.root() / "run"));
  }

  void a_gradient_that_is_not_finite_is_skipped_once() {
    TinyRun tiny;
    auto poisoned = std::make_shared<bool>(false);
    const Outcome outcome =
        run(tiny.recipe("run"), {}, [&](Watcher& watcher, TrainControl&, LoadedModel&) {
          watcher.at_step = [&, poisoned](std::int64_t step) {
            if (step != 2) return;
            *poisoned = true;
            torch::Tensor tensor;
            for (const auto& [name, each] : watcher.adapter->tensors()) {
              if (name.find("language_model.layers.0") != std::string::npos) tensor = each;
            }
            tensor.register_hook([poisoned](const torch::Tensor& gradient) {
              return *poisoned ? gradient * std::numeric_limits<float>::infinity() : gradient;
            });
          };
          watcher.between = [&, poisoned] {
            if (watcher.count("alarm") == 1) *poisoned = false;
          };
        });
    VERIFY_OK(outcome);
    QCOMPARE(outcome.watcher.count("alarm"), 1);
    bool named = false;
    for (const RunEvent& event : outcome.watcher.events)
      named = named ||
              (event.step == 3 && QString::fromStdString(event.detail).contains("gradient's norm"));
    QVERIFY(named);
    QCOMPARE(outcome.watcher.lines.back().step, 9);
    for (const MetricsLine& line : outcome.watcher.lines)
      QVERIFY(std::isfinite(line.loss) && std::isfinite(line.grad_norm) && line.step != 3);
  }

  void a_run_of_nothing_but_bad_steps_has_no_result_data() {
    QTest::addColumn<int>("steps");
    for (const int steps : {1, 2, 3}) QTest::addRow("%d", steps) << steps;
  }
  void a_run_of_nothing_but_bad_steps_has_no_result() {
    QFETCH(int, steps);
    TinyRun tiny;
    const Outcome outcome =
        run(tiny.recipe("run", {"training.max_steps=" + std::to_string(steps)}), {},
            [](Watcher&, TrainControl&, LoadedModel& base) { poison(base); });
    QVERIFY(!outcome.result.ok());
    QVERIFY(outcome.result.error().code == ErrorCode::Input);
    QVERIFY2(fault_of(outcome).contains("finite"), fault_of(outcome).constData());
    const fs::path folder = tiny.root() / "run";
    const RunManifest manifest = *RunFolder::open(folder)->read_manifest();
    QCOMPARE(manifest.state, RunState::Failed);
    QVERIFY(!manifest.last_loss && !manifest.error.empty());
    QVERIFY((*read_json_file(folder / "run.json"))["last_loss"].is_null());
    QVERIFY(!fs::exists(folder / "adapter"));
    QCOMPARE(checkpoint_steps(folder), Steps{});
    QVERIFY(outcome.watcher.lines.empty());
    QVERIFY(outcome.watcher.told("failed", "finite"));
  }

  void a_run_that_ends_on_bad_steps_has_no_result() {
    for (const std::string strategy : {"lora", "freeze", "full"}) {
      TinyRun tiny;
      const Outcome outcome =
          run(tiny.recipe("run", {"strategy=" + strategy, "training.logging_steps=4"}), {},
              [](Watcher& watcher, TrainControl&, LoadedModel& base) {
                watcher.at_step = [&](std::int64_t step) {
                  if (step == 8) poison(base);
                };
              });
      QVERIFY(!outcome.result.ok());
      // Under full what was poisoned is itself a trained weight.
      const char* reason = strategy == "full" ? "norm.weight is not finite" : "The last step";
      QVERIFY2(fault_of(outcome).contains(reason), fault_of(outcome).constData());
      const fs::path folder = tiny.root() / "run";
      QVERIFY(!fs::exists(folder / "adapter") && !fs::exists(folder / "model"));
      QCOMPARE(checkpoint_steps(folder), (Steps{3, 6}));
      const RunManifest manifest = *RunFolder::open(folder)->read_manifest();
      QCOMPARE(manifest.state, RunState::Failed);
      QVERIFY(manifest.last_loss && std::isfinite(*manifest.last_loss));
      if (strategy != "lora") continue;
      // What the hint says can be done.
      const std::string good = (folder / "checkpoints/step-000006/adapter").string();
      QVERIFY2(fault_of(outcome).contains(good.c_str()), fault_of(outcome).constData());
      VERIFY_OK(run(tiny.recipe("again", {"adapter.init_from=" + good, "training.max_steps=2"})));
    }
  }

  void a_weight_that_is_not_finite_is_no_result() {
    // Without an epsilon Adam divides 0 by 0 where a gradient is 0, as A's are at first.
    for (const int steps : {1, 2}) {
      TinyRun tiny;
      const Outcome outcome =
          run(tiny.recipe("run", {"training.max_steps=" + std::to_string(steps),
                                  "training.save_steps=0", "training.adam_epsilon=0"}));
      QVERIFY(!outcome.result.ok());
      QVERIFY2(fault_of(outcome).contains("lora_A"), fault_of(outcome).constData());
      QVERIFY(!fs::exists(tiny.root() / "run/adapter"));
      QCOMPARE(RunFolder::open(tiny.root() / "run")->read_manifest()->state, RunState::Failed);
    }
  }

  void a_stop_after_bad_steps_saves_nothing_of_them() {
    TinyRun tiny;
    const Outcome outcome =
        run(tiny.recipe("run"), {}, [](Watcher& watcher, TrainControl& control, LoadedModel& base) {
          watcher.at_step = [&](std::int64_t step) {
            if (step == 4) poison(base);
          };
          watcher.between = [&] {
            if (watcher.count("alarm") == 1) control.stop(true);
          };
        });
    VERIFY_OK(outcome);
    QCOMPARE(outcome.result->state, RunState::Stopped);
    QVERIFY(!outcome.result->saved);
    QVERIFY(outcome.watcher.told("stopped", "not saved"));
    QCOMPARE(checkpoint_steps(tiny.root() / "run"), (Steps{3}));
    QVERIFY(!fs::exists(tiny.root() / "run/adapter"));
    const Outcome rest = run(tiny.recipe("run"), tiny.root() / "run");
    VERIFY_OK(rest);
    QVERIFY(rest.result->loss.has_value());
  }
};

QTEST_GUILESS_MAIN(TestBadSteps)
#include "test_bad_steps.moc"
