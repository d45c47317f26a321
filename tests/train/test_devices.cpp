// SPDX-License-Identifier: GPL-3.0-or-later
// A run and the device it is on: a card that dies in mid-run, a resume on another device, and one
// that asks for another compute type.
#include <c10/util/Exception.h>

#include "engine/device/lost_device.h"
#include "engine/device/memory.h"
#include "engine/session/headless.h"
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// As LibTorch throws it where a kernel has read what is not its own.
[[noreturn]] void lose_the_card() {
  throw c10::AcceleratorError({__func__, __FILE__, __LINE__}, 700,
                              "CUDA error: an illegal memory access was encountered\nSearch for "
                              "`cudaErrorIllegalAddress' in https://docs.nvidia.com");
}

/// Trains as the command line does, with an end after `steps` (0: none).
struct Told {
  Result<RunResult> result = Error{};
  std::vector<RunEvent> events;
};
Told headless(const Recipe& recipe, const std::optional<fs::path>& resume = {},
              std::int64_t steps = 0) {
  Told told;
  std::stop_source stop;
  told.result = train_headless(
      recipe, resume,
      [&](const SessionEvent& event) {
        if (const auto* happened = std::get_if<RunEventHappened>(&event))
          told.events.push_back(happened->event);
        const auto* step = std::get_if<StepDone>(&event);
        if (step && step->line.step == steps) stop.request_stop();
      },
      stop.get_token());
  return told;
}

RunManifest manifest_of(const fs::path& run) { return *RunFolder::open(run)->read_manifest(); }

}  // namespace

class TestDevices : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }
  void cleanup() { set_lost_device(""); }

  void a_card_that_dies_in_mid_run_data() {
    QTest::addColumn<int>("at_step");
    QTest::addColumn<QString>("told");
    QTest::newRow("before a checkpoint") << 2 << "No checkpoint was written yet";
    QTest::newRow("after one") << 5 << "The checkpoint of step 3 stands";
  }
  void a_card_that_dies_in_mid_run() {
    QFETCH(int, at_step);
    QFETCH(QString, told);
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole")));
    const Recipe recipe = tiny.recipe("run");
    const Outcome lost = run(recipe, {}, [&](Watcher& watcher, TrainControl&, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == at_step) lose_the_card();
      };
    });
    const QByteArray sentence = fault_of(lost);
    QVERIFY2(sentence.contains("an illegal memory access was encountered") &&
                 sentence.contains(told.toUtf8()),
             sentence.constData());
    QCOMPARE(lost.result.error().exit_status(), 3);
    QVERIFY(!lost_device().empty());
    // Nothing is read from the card: no checkpoint of the step is tried.
    QCOMPARE(checkpoint_steps(tiny.root() / "run"), at_step > 3 ? Steps{3} : Steps{});
    const RunManifest manifest = manifest_of(tiny.root() / "run");
    QCOMPARE(manifest.state, RunState::Stopped);  // what the next start offers to go on with
    QCOMPARE(QByteArray::fromStdString(manifest.error), sentence);
    QCOMPARE(lost.watcher.count("failed"), 1);
    set_lost_device("");  // a new process
    VERIFY_OK(run(recipe, tiny.root() / "run"));
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "run", tiny.root() / "whole")));
  }

  void memory_that_ran_out_is_another_matter() {
    TinyRun tiny;
    const Outcome outcome =
        run(tiny.recipe("run"), {}, [&](Watcher& watcher, TrainControl&, LoadedModel&) {
          watcher.at_step = [&](std::int64_t step) {
            if (step == 5) throw std::bad_alloc();
          };
        });
    QVERIFY(fault_of(outcome).contains("Memory ran out"));
    QVERIFY(lost_device().empty());
  }

  /// A card tells of its death where it is waited for next, which after a step that memory ran out
  /// in is the checkpoint.
  void a_full_card_that_has_died() {
    TinyRun tiny;
    const Outcome lost =
        run(tiny.recipe("run"), {}, [&](Watcher& watcher, TrainControl&, LoadedModel&) {
          watcher.at_step = [](std::int64_t step) {
            if (step == 5) throw std::bad_alloc();
          };
          watcher.at_phase = [&watcher](TrainPhase phase) {
            const bool after = !watcher.lines.empty() && watcher.lines.back().step == 5;
            if (phase == TrainPhase::Saving && after) lose_the_card();
          };
        });
    const QByteArray sentence = fault_of(lost);
    QVERIFY2(sentence.contains("an illegal memory access was encountered") &&
                 sentence.contains("The checkpoint of step 3 stands"),
             sentence.constData());
    QVERIFY(!lost_device().empty());
    QCOMPARE(checkpoint_steps(tiny.root() / "run"), Steps{3});
    QCOMPARE(manifest_of(tiny.root() / "run").state, RunState::Stopped);
  }

  // auto computes in float32 on this machine; the run began in bfloat16 and ends in it.
  void auto_keeps_the_type_that_the_run_began_with() {
    TinyRun tiny;
    const std::vector<std::string> narrow{"training.dtype=bfloat16", "training.max_steps=4",
                                          "training.save_steps=2"};
    const Recipe began = tiny.recipe("run", narrow);
    QVERIFY(headless(tiny.recipe("whole", narrow)).result.ok());
    const Told cut = headless(began, {}, 2);
    QVERIFY2(cut.result.ok(), cut.result.ok() ? "" : cut.result.error().sentence().c_str());
    QCOMPARE(manifest_of(tiny.root() / "run").dtype, std::string("bfloat16"));
    Recipe recipe = began;
    recipe.training.dtype = "float32";
    const Told refused = headless(recipe, tiny.root() / "run");
    QVERIFY(!refused.result.ok());
    QVERIFY(refused.result.error().what.find("The run computes in bfloat16") != std::string::npos);
    recipe.training.dtype = "auto";
    const Told resumed = headless(recipe, tiny.root() / "run");
    QVERIFY2(resumed.result.ok(),
             resumed.result.ok() ? "" : resumed.result.error().sentence().c_str());
    QCOMPARE(manifest_of(tiny.root() / "run").dtype, std::string("bfloat16"));
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "run", tiny.root() / "whole")));
  }

  // A host that loads the model itself may load it otherwise than the run was.
  void a_model_of_another_type_is_refused() {
    TinyRun tiny;
    const Recipe recipe = tiny.recipe(
        "run", {"training.dtype=bfloat16", "training.max_steps=4", "training.save_steps=2"});
    QVERIFY(headless(recipe, {}, 2).result.ok());
    Recipe otherwise = recipe;
    otherwise.training.dtype = "float32";
    auto begun = begin_run(recipe, tiny.root() / "run");
    auto base = load(otherwise);
    QVERIFY(begun.ok() && base.ok());
    Outcome outcome;
    TrainControl control;
    outcome.result = train(*base, begun.take(), {}, control, outcome.watcher);
    QVERIFY2(fault_of(outcome).contains("The run computes in bfloat16"),
             fault_of(outcome).constData());
  }

  void a_resume_on_another_device_goes_on_and_is_told() {
    TinyRun tiny;
    const std::vector<std::string> settings{"training.max_steps=4", "training.save_steps=2"};
    Recipe recipe = tiny.recipe("run", settings);
    QVERIFY(headless(recipe, {}, 2).result.ok());
    RunManifest manifest = manifest_of(tiny.root() / "run");
    QCOMPARE(manifest.device, std::string("cpu"));
    QVERIFY(manifest.card.empty());
    manifest.device = "cuda:0";
    manifest.card = "NVIDIA H100 80GB HBM3";
    QVERIFY(RunFolder::open(tiny.root() / "run")->write_manifest(manifest).ok());
    const Told resumed = headless(recipe, tiny.root() / "run");
    QVERIFY2(resumed.result.ok(),
             resumed.result.ok() ? "" : resumed.result.error().sentence().c_str());
    const auto told =
        std::count_if(resumed.events.begin(), resumed.events.end(), [](const RunEvent& event) {
          return event.kind == "warning" &&
                 event.detail.find("was on cuda:0 (NVIDIA H100 80GB HBM3) and goes on on cpu") !=
                     std::string::npos;
        });
    QCOMPARE(told, 1);
    manifest = manifest_of(tiny.root() / "run");
    QCOMPARE(manifest.device, std::string("cpu"));
    QVERIFY(manifest.card.empty());
  }
};

QTEST_GUILESS_MAIN(TestDevices)
#include "test_devices.moc"
