// SPDX-License-Identifier: GPL-3.0-or-later
// Whole runs whose steps are recorded, in their folders: cut in the middle and resumed they end in
// the same bytes, with LUTHIER_GRAPHS still on or not; and a run that began without recorded steps
// goes on without.
#include "engine/train/trainer.h"
#include "tests/pretend/pretend.h"
#include "tests/pretend/watched_recorder.h"

// After LibTorch, whose names Qt's keywords would break.
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;
using pretend::Watched;

namespace {

LoadedModel there(const Recipe& recipe) {
  const LoadedModel here = load(recipe).take();
  LoadedModel made = here;
  made.model = here.family->read(here.config, here.folder)
                   .take()
                   .made(torch::TensorOptions().device(pretend::device()).dtype(torch::kFloat32));
  const torch::NoGradGuard no_grad;
  const auto from = here.model->named_parameters();
  for (auto& item : made.model->named_parameters()) item.value().copy_(from[item.key()]);
  return made;
}

/// A run on the device, from its beginning or a checkpoint, to its end or a step.
Outcome run_there(const Recipe& recipe, bool resumes, std::int64_t stop_at, bool records) {
  if (records)
    setenv("LUTHIER_GRAPHS", "on", 1);
  else
    unsetenv("LUTHIER_GRAPHS");
  Outcome outcome;
  auto begun =
      begin_run(recipe, resumes ? std::optional<fs::path>(recipe.output_dir) : std::nullopt);
  if (!begun) qFatal("%s", begun.error().sentence().c_str());
  LoadedModel base = there(recipe);
  TrainControl control;
  outcome.watcher.at_step = [&](std::int64_t step) {
    if (step == stop_at) control.stop(/*save=*/true);
  };
  outcome.result = train(base, begun.take(), {}, control, outcome.watcher);
  unsetenv("LUTHIER_GRAPHS");
  return outcome;
}

bool fills_up(const fs::path& run) {
  return (*read_json_file(run / "run.json"))["recorded_steps"].get<bool>();
}

}  // namespace

class TestRecordedRuns : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }

  void a_resume_ends_in_the_same_bytes_data() {
    QTest::addColumn<QStringList>("settings");
    QTest::newRow("LoRA") << QStringList{};
    QTest::newRow("LoRA, a fixed tower") << QStringList{"adapter.exclude_modules=.*vision_tower.*"};
    QTest::newRow("full") << QStringList{"strategy=full", "training.learning_rate=1.0e-3"};
  }
  void a_resume_ends_in_the_same_bytes() {
    QFETCH(QStringList, settings);
    std::vector<std::string> list;
    for (const QString& each : settings) list.push_back(each.toStdString());
    TinyRun tiny;
    {
      const Watched watched;
      VERIFY_OK(run_there(tiny.recipe("whole", list), false, -1, true));
      qInfo("%d recordings", watched.recorded);
      QVERIFY(watched.recorded > 0);
      QCOMPARE(watched.asked, watched.recorded);
    }
    QVERIFY(fills_up(tiny.root() / "whole"));
    for (const bool still : {true, false}) {
      const std::string name = still ? "cut" : "cut, then without";
      const Recipe recipe = tiny.recipe(name, list);
      VERIFY_OK(run_there(recipe, false, 4, true));
      const Outcome rest = run_there(recipe, true, -1, still);
      VERIFY_OK(rest);
      QCOMPARE(rest.result->state, RunState::Finished);
      QCOMPARE(rest.watcher.told("warning", "the steps are launched piece by piece"), !still);
      QVERIFY(fills_up(tiny.root() / name));
      const QString apart = differences(tiny.root() / name, tiny.root() / "whole");
      QVERIFY2(apart.isEmpty(), qPrintable(apart));
    }
  }

  void a_run_that_began_without_goes_on_without() {
    TinyRun tiny;
    VERIFY_OK(run_there(tiny.recipe("whole"), false, -1, false));
    QVERIFY(!fills_up(tiny.root() / "whole"));
    const Recipe recipe = tiny.recipe("cut");
    VERIFY_OK(run_there(recipe, false, 4, false));
    const Watched watched;
    const Outcome rest = run_there(recipe, true, -1, true);
    VERIFY_OK(rest);
    QCOMPARE(watched.asked, 0);
    QVERIFY(rest.watcher.told("warning", "LUTHIER_GRAPHS=on is left aside"));
    QVERIFY(!fills_up(tiny.root() / "cut"));
    const QString apart = differences(tiny.root() / "cut", tiny.root() / "whole");
    QVERIFY2(apart.isEmpty(), qPrintable(apart));
  }
};

QTEST_GUILESS_MAIN(TestRecordedRuns)
#include "test_recorded_runs.moc"
