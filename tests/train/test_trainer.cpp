// SPDX-License-Identifier: GPL-3.0-or-later
// A run's promises: a resume ends in the same bytes wherever it was cut; memory and disk that run
// out leave a run that goes on; what does not belong to a run is refused with what differs.
#include "tests/train/watched_run.h"

#include "engine/config/kinds.h"
#include "engine/device/memory.h"
#include "engine/io/safetensors.h"
#include "engine/models/stored_tensor.h"

using namespace luthier;
using namespace luthier::test;

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
      for (const int step : {1, 2, 3, 5, 8})
        QTest::newRow(qPrintable(QString("%1, step %2").arg(strategy).arg(step)))
            << strategy << step;  // 3 steps an epoch: 3 is its edge
    }
  }
  void stops_and_resumes_to_the_byte() {
    QFETCH(QString, strategy);
    QFETCH(int, stop_at);
    TinyRun tiny;
    const std::string eval_steps = strategy == "lora" ? "0" : "4";  // 0: at every save_steps
    const std::vector<std::string> settings{
        "strategy=" + strategy.toStdString(), "training.logging_steps=2",
        "training.eval_steps=" + eval_steps,
        "eval_dataset=" + (tiny.root() / "eval.jsonl").string(), "training.learning_rate=1.0e-3"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    int seen = 0;
    const Outcome cut = run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done / 3 >= stop_at && !seen)
          seen = 1, control.stop(true);  // also in the middle of a window
      };
    });
    VERIFY_OK(cut);
    QCOMPARE(cut.result->state, RunState::Stopped);
    const Outcome rest = run(recipe, tiny.root() / "cut");
    VERIFY_OK(rest);
    QCOMPARE(rest.result->state, RunState::Finished);
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  /// What is evaluated and saved may be another point than the one that trains; the host looks at
  /// it between micro-batches.
  void every_optimizer_resumes_to_the_byte_data() {
    QTest::addColumn<QString>("optimizer");
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<QString>("dtype");
    for (const OptimizerKind& kind : optimizer_kinds()) {
      for (const QString strategy : {"full", "lora"}) {
        if (strategy == "lora" && QString(kind.name) == "muon") continue;
        const QString dtype = strategy == "full" ? "bfloat16" : "float32";
        QTest::newRow(qPrintable(QString("%1, %2").arg(kind.name, strategy)))
            << QString(kind.name) << strategy << dtype;
      }
    }
  }
  void every_optimizer_resumes_to_the_byte() {
    QFETCH(QString, optimizer);
    QFETCH(QString, strategy);
    QFETCH(QString, dtype);
    TinyRun tiny;
    const std::vector<std::string> settings{"strategy=" + strategy.toStdString(),
                                            "training.dtype=" + dtype.toStdString(),
                                            "training.optim=" + optimizer.toStdString(),
                                            "training.eval_steps=2",
                                            "training.max_steps=6",
                                            "eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                                            "training.learning_rate=1.0e-3"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&control, done = 0]() mutable {
        if (++done == 11) control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  /// Micro-batches that go in parts side by side (batches/parts.h): cut, and made once more.
  void parts_resume_to_the_byte() {
    const auto threads = [](int count) {
      qputenv("OMP_NUM_THREADS", QByteArray::number(count));  // a run takes all cores where none is
      at::set_num_threads(count);
    };
    threads(2);
    TinyRun tiny({}, 40);
    const std::vector<std::string> settings{"training.per_device_train_batch_size=16",
                                            "training.gradient_accumulation_steps=1"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == 4) control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    TrainerOptions on;
    on.gradient_checkpointing = true;
    VERIFY_OK(run(tiny.recipe("recomputed", settings), {}, {}, on));
    threads(1);
    VERIFY_OK(run(tiny.recipe("together", settings)));
    qunsetenv("OMP_NUM_THREADS");
    for (const char* other : {"cut", "recomputed"})
      QVERIFY2(differences(tiny.root() / other, tiny.root() / "whole").isEmpty(),
               qPrintable(differences(tiny.root() / other, tiny.root() / "whole")));
    QVERIFY(!differences(tiny.root() / "together", tiny.root() / "whole").isEmpty());
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
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
    const Outcome again = run(recipe, tiny.root() / "cut");  // a finished run is not touched
    QVERIFY(!again.result.ok() || again.result->state == RunState::Finished);
  }

  void an_init_from_keeps_its_settings_on_a_resume() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("first", {"adapter.r=2", "adapter.lora_alpha=6"})));
    const std::vector<std::string> settings{
        "adapter.init_from=" + (tiny.root() / "first/adapter").string(), "adapter.r=8"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == 4) control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
    const Json config = *read_json_file(tiny.root() / "whole/adapter/adapter_config.json");
    QCOMPARE(config["r"].get<int>(), 2);
  }

  void a_fixed_towers_features_change_no_bit() {
    TinyRun tiny;
    const std::vector<std::string> settings{"adapter.target_modules=q_proj",
                                            "adapter.exclude_modules=.*vision_tower.*",
                                            "training.max_steps=12"};
    TrainerOptions none;
    none.max_cache_bytes = 0;
    VERIFY_OK(run(tiny.recipe("kept", settings)));
    VERIFY_OK(run(tiny.recipe("computed", settings), {}, {}, none));
    QVERIFY2(differences(tiny.root() / "kept", tiny.root() / "computed").isEmpty(),
             qPrintable(differences(tiny.root() / "kept", tiny.root() / "computed")));
  }

  void checkpointing_changes_no_bit() {
    TinyRun tiny;
    TrainerOptions on;
    on.gradient_checkpointing = true;
    VERIFY_OK(run(tiny.recipe("off")));
    VERIFY_OK(run(tiny.recipe("on"), {}, {}, on));
    QVERIFY2(differences(tiny.root() / "on", tiny.root() / "off").isEmpty(),
             qPrintable(differences(tiny.root() / "on", tiny.root() / "off")));
  }

  void a_rate_that_is_always_zero_is_said() {
    TinyRun tiny;
    const auto warned = [&](const std::string& out, const std::vector<std::string>& settings) {
      const Outcome outcome = run(tiny.recipe(out, settings));
      return outcome.result.ok() && outcome.watcher.told("warning", "no weight will change");
    };
    QVERIFY(warned("one", {"training.max_steps=1"}));  // the warmup's first step
    QVERIFY(warned("zero", {"training.learning_rate=0"}));
    QVERIFY(!warned("two", {"training.max_steps=2"}));
    QVERIFY(!warned("constant", {"training.max_steps=1", "training.lr_scheduler_type=constant"}));
  }

  void evaluation_comes_with_the_checkpoints() {
    TinyRun tiny;
    const std::string eval = "eval_dataset=" + (tiny.root() / "eval.jsonl").string();
    const auto evaluated = [&](const Outcome& outcome) {
      Steps steps;
      for (const MetricsLine& line : outcome.watcher.lines) {
        if (line.eval_loss) steps.push_back(line.step);
      }
      return steps;
    };
    const Outcome by_saves = run(tiny.recipe("by_saves", {eval, "training.max_steps=8"}));
    VERIFY_OK(by_saves);
    QCOMPARE(evaluated(by_saves), (Steps{3, 6, 8}));
    QVERIFY(by_saves.watcher.told("started", "3 rows to evaluate on"));
    const Outcome by_itself =
        run(tiny.recipe("by_itself", {eval, "training.max_steps=8", "training.eval_steps=5"}));
    QCOMPARE(evaluated(by_itself), (Steps{5, 8}));
    const Outcome at_the_end =
        run(tiny.recipe("at_the_end", {eval, "training.max_steps=8", "training.save_steps=0"}));
    QCOMPARE(evaluated(at_the_end), (Steps{8}));

    // The clock says when a checkpoint is written, and nothing else.
    const Outcome clocked =
        run(tiny.recipe("clocked", {eval, "training.max_steps=8", "training.save_minutes=1.0e-9",
                                    "training.save_total_limit=0"}));
    QCOMPARE(evaluated(clocked), (Steps{3, 6, 8}));
    QCOMPARE(checkpoint_steps(tiny.root() / "clocked"), (Steps{1, 2, 3, 4, 5, 6, 7, 8}));
    const QString other = differences(tiny.root() / "clocked", tiny.root() / "by_saves");
    QVERIFY2(other.isEmpty(), qPrintable(other));
  }

  void evaluation_rows_are_checked_aloud() {
    TinyRun tiny;
    const fs::path eval = tiny.root() / "eval.jsonl";
    const std::string whole = row(0, "yes", fixture() / "a.png").dump() + "\n";
    const std::string broken = row(1, "no", tiny.root() / "missing.png").dump() + "\n";
    write_text(eval, whole + broken);
    const std::vector<std::string> settings{"eval_dataset=" + eval.string(),
                                            "training.max_steps=2"};
    const Outcome refused = run(tiny.recipe("run", settings));
    QVERIFY(fault_of(refused).contains("missing.png") &&
            fault_of(refused).contains("eval_dataset"));
    std::vector<std::string> skipping = settings;
    skipping.push_back("image.on_error=skip");
    const Outcome skipped = run(tiny.recipe("skipped", skipping));
    VERIFY_OK(skipped);
    QVERIFY(skipped.watcher.told("warning", "missing.png"));
    QVERIFY(skipped.watcher.told("warning", "eval_dataset: 1 row"));
    QVERIFY(skipped.watcher.lines.back().eval_loss.has_value());
    write_text(eval, broken);
    QVERIFY(fault_of(run(tiny.recipe("none", skipping))).contains("evaluate"));
    QVERIFY(!fs::exists(tiny.root() / "none"));
  }

  void minutes_save_but_not_those_of_a_pause() {
    TinyRun tiny;
    double seconds = 1000;
    TrainerOptions options;
    options.clock = [&seconds] { return seconds; };
    const Outcome outcome = run(
        tiny.recipe("run", {"training.save_steps=0", "training.save_minutes=10",
                            "training.save_total_limit=0"}),
        {},
        [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
          watcher.at_step = [&](std::int64_t step) {
            seconds += 240;  // a step takes four minutes
            if (step == 4) control.pause();
          };
          watcher.at_phase = [&](TrainPhase phase) {
            if (phase != TrainPhase::Paused) return;
            seconds += 3600;
            control.resume();
          };
        },
        options);
    VERIFY_OK(outcome);
    QCOMPARE(checkpoint_steps(tiny.root() / "run"), (Steps{3, 6, 9}));
    QCOMPARE(outcome.result->seconds, 9 * 240.0);
    QCOMPARE(RunFolder::open(tiny.root() / "run")->read_manifest()->seconds, 9 * 240.0);
  }

  void a_named_run_must_be_there() {
    TinyRun tiny;
    const Outcome outcome = run(tiny.recipe("run"), tiny.root() / "rnu");
    QVERIFY(!outcome.result.ok());
    QVERIFY(!fs::exists(tiny.root() / "rnu") && !fs::exists(tiny.root() / "run"));
    VERIFY_OK(run(tiny.recipe("run", {"training.max_steps=1"}), tiny.root() / "run"));
    const Outcome named = run(tiny.recipe("run", {"training.max_steps=1"}), tiny.root() / "rnu");
    QVERIFY2(fault_of(named).contains((tiny.root() / "run").c_str()), fault_of(named).constData());
  }

  void memory_that_runs_out_leaves_a_run_that_goes_on() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole")));
    const Outcome outcome =
        run(tiny.recipe("run"), {}, [](Watcher& watcher, TrainControl&, LoadedModel&) {
          watcher.at_step = [](std::int64_t step) {
            if (step == 5) set_memory_cap(memory_use(torch::kCPU).allocated + 40'000);
          };
        });
    set_memory_cap(0);
    QVERIFY(!outcome.result.ok());
    QVERIFY(outcome.result.error().code == ErrorCode::Machine);
    QVERIFY(QString::fromStdString(outcome.result.error().hint).contains("gradient_checkpointing"));
    VERIFY_OK(run(tiny.recipe("run"), tiny.root() / "run"));
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "run", tiny.root() / "whole")));
  }

  /// Wherever in a step memory runs out, in the optimizer's too: what is saved is a state between
  /// two steps, and the run goes on from it to the same bytes.
  void memory_that_runs_out_anywhere_in_a_step_loses_nothing() {
    for (const std::string strategy : {"lora", "full"}) {
      TinyRun tiny;
      const std::vector<std::string> settings{"strategy=" + strategy, "training.dtype=bfloat16",
                                              "training.max_steps=5", "training.save_steps=2"};
      VERIFY_OK(run(tiny.recipe("whole", settings)));
      int failed = 0;
      for (std::int64_t count = 1; count < 20'000; count += 1 + count / 6) {
        const std::string out = "run-" + std::to_string(count);
        const Outcome outcome = run(tiny.recipe(out, settings), {},
                                    [count](Watcher& watcher, TrainControl&, LoadedModel&) {
                                      watcher.at_step = [count](std::int64_t step) {
                                        if (step == 3) fail_allocation(count);
                                      };
                                    });
        fail_allocation(0);
        if (outcome.result.ok()) break;  // no step allocates so often
        ++failed;
        VERIFY_OK(run(tiny.recipe(out, settings), tiny.root() / out));
        QVERIFY2(differences(tiny.root() / out, tiny.root() / "whole").isEmpty(),
                 qPrintable(differences(tiny.root() / out, tiny.root() / "whole")));
        fs::remove_all(tiny.root() / out);
      }
      QVERIFY(failed > 10);
    }
  }

  /// A result is stored as the base is: what bfloat16 rounds away of its weights comes back.
  void a_float32_base_that_trains_in_bfloat16_keeps_its_digits() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("base", {"strategy=full", "training.max_steps=1"})));
    const std::vector<std::string> settings{
        "model=" + (tiny.root() / "base/model").string(), "init=pretrained", "strategy=full",
        "training.dtype=bfloat16", "training.learning_rate=1.0e-7"};
    VERIFY_OK(run(tiny.recipe("run", settings)));
    const SafetensorsFile before =
                              *SafetensorsFile::open(tiny.root() / "base/model/model.safetensors"),
                          after =
                              *SafetensorsFile::open(tiny.root() / "run/model/model.safetensors");
    std::int64_t numbers = 0, moved = 0;
    double most = 0;
    for (const auto& [name, info] : before.header().tensors) {
      const torch::Tensor a = *read_stored(*before.find(name), name),
                          b = *read_stored(*after.find(name), name);
      QCOMPARE(b.scalar_type(), torch::kFloat32);
      most = std::max(most, (a - b).abs().max().item<double>());
      numbers += a.numel();
      moved += (a != b).sum().item<std::int64_t>();
    }
    QVERIFY2(most > 0 && most < 2e-6, qPrintable(QString::number(most)));
    QVERIFY(moved > numbers / 4);
  }

  /// What a freeze run does not train comes out as it went in, bit for bit.
  void what_nothing_trains_keeps_its_digits() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("base", {"strategy=full", "training.max_steps=1"})));
    const std::vector<std::string> settings{"model=" + (tiny.root() / "base/model").string(),
                                            "init=pretrained", "strategy=freeze",
                                            "training.dtype=bfloat16", "training.max_steps=3"};
    VERIFY_OK(run(tiny.recipe("run", settings)));
    const SafetensorsFile before =
                              *SafetensorsFile::open(tiny.root() / "base/model/model.safetensors"),
                          after =
                              *SafetensorsFile::open(tiny.root() / "run/model/model.safetensors");
    QCOMPARE(after.header().tensors.size(), before.header().tensors.size());
    int trained = 0;
    for (const auto& [name, info] : before.header().tensors) {
      const bool projector = name.find("multi_modal_projector") != std::string::npos;
      trained += projector;
      QVERIFY2(*same_tensor(*before.find(name), *after.find(name)) != projector, name.c_str());
    }
    QCOMPARE(trained, 4);
  }

  /// From scratch, too: a rate that moves nothing leaves float32's own draws.
  void masters_of_random_weights_are_drawn_in_float32() {
    TinyRun tiny;
    const std::vector<std::string> still{"strategy=full", "training.max_steps=1",
                                         "training.learning_rate=1.0e-12"};
    VERIFY_OK(run(tiny.recipe("wide", still)));
    std::vector<std::string> narrow = still;
    narrow.push_back("training.dtype=bfloat16");
    VERIFY_OK(run(tiny.recipe("narrow", narrow)));
    const SafetensorsFile wide =
                              *SafetensorsFile::open(tiny.root() / "wide/model/model.safetensors"),
                          made = *SafetensorsFile::open(tiny.root() /
                                                        "narrow/model/model.safetensors");
    for (const auto& [name, info] : wide.header().tensors) {
      const torch::Tensor a = *read_stored(*wide.find(name), name),
                          b = *read_stored(*made.find(name), name);
      QVERIFY2((a - b).abs().max().item<double>() <= 1e-8, name.c_str());
    }
  }

  void old_checkpoints_go_and_the_newest_stay() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("run", {"training.save_steps=1", "training.save_total_limit=2"})));
    std::vector<std::int64_t> steps;
    for (const Checkpoint& checkpoint : RunFolder::open(tiny.root() / "run")->checkpoints())
      steps.push_back(checkpoint.step);
    QCOMPARE(steps, (std::vector<std::int64_t>{8, 9}));
  }

  void a_changed_run_is_refused() {
    TinyRun tiny;
    const auto stop_at_4 = [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&control](std::int64_t step) {
        if (step == 4) control.stop(true);
      };
    };
    VERIFY_OK(run(tiny.recipe("run"), {}, stop_at_4));
    const auto refused = [&](const Recipe& recipe) {
      const Outcome outcome = run(recipe, tiny.root() / "run");
      return outcome.result.ok() ? QString()
                                 : QString::fromStdString(outcome.result.error().sentence());
    };
    QVERIFY(refused(tiny.recipe("run", {"training.learning_rate=1.0e-3"}))
                .contains("training.learning_rate"));
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
    write_text(
        tiny.root() / "rows.jsonl",
        row(0, "yes", "").dump() + "\n" + row(1, "no", tiny.root() / "missing.png").dump() + "\n");
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
    const std::vector<std::string> settings{"training.lr_scheduler_type=constant",
                                            "training.warmup_steps=0"};
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
    for (const auto& [name, tensor] : outcome.watcher.adapter->tensors())
      adapter += static_cast<std::int64_t>(tensor.nbytes());
    QCOMPARE(memory.adapter, adapter);
    QVERIFY(memory.optimizer > 0 && memory.optimizer == 2 * memory.gradients);
    QVERIFY(memory.activations > 0 &&
            memory.peak >= memory.weights + memory.adapter + memory.optimizer && memory.rss > 0);
  }
};

QTEST_GUILESS_MAIN(TestTrainer)
#include "test_trainer.moc"
