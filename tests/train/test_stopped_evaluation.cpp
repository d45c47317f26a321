// SPDX-License-Identifier: GPL-3.0-or-later
// A run that is stopped while it evaluates is saved before its step was logged. Who resumes it, is
// killed once that is logged, and resumes it again has each line once.
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Stops the run while it evaluates behind a step.
class StopsEvaluation : public Watcher {
 public:
  StopsEvaluation(TrainControl& control, std::int64_t after) : control_(control), after_(after) {}
  void on_step(const MetricsLine& line, double pace) override {
    Watcher::on_step(line, pace);
    last_ = line.step;
  }
  void on_progress(const std::string& what, double, double) override {
    if (what == "Evaluating" && last_ + 1 == after_) control_.stop(true);
  }

 private:
  TrainControl& control_;
  const std::int64_t after_;
  std::int64_t last_ = 0;
};

}  // namespace

class TestStoppedEvaluation : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void each_line_stands_once() {
    const TinyRun tiny;
    const std::vector<std::string> more{"eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                                        "training.eval_steps=3", "training.save_steps=100",
                                        "training.logging_steps=1"};
    VERIFY_OK(run(tiny.recipe("whole", more)));
    const Recipe recipe = tiny.recipe("cut", more);
    {
      auto begun = begin_run(recipe, {});
      QVERIFY(begun.ok());
      auto base = load(recipe);
      QVERIFY(base.ok());
      TrainControl control;
      StopsEvaluation watcher(control, 3);
      const auto stopped = train(*base, begun.take(), {}, control, watcher);
      QVERIFY2(stopped.ok(), stopped ? "" : stopped.error().sentence().c_str());
    }
    QCOMPARE(checkpoint_steps(tiny.root() / "cut"), (Steps{3}));
    const auto lines = [&] {
      std::vector<std::int64_t> steps;
      for (const MetricsLine& line : RunFolder::open(tiny.root() / "cut")->read_metrics())
        steps.push_back(line.step);
      return steps;
    };
    QCOMPARE(lines(), (Steps{1, 2}));
    // As a kill leaves it: the step is logged, and nothing was saved.
    VERIFY_OK(
        run(recipe, tiny.root() / "cut", [](Watcher& watcher, TrainControl& control, LoadedModel&) {
          watcher.at_step = [&](std::int64_t) { control.stop(false); };
        }));
    QCOMPARE(lines(), (Steps{1, 2, 3}));
    QCOMPARE(checkpoint_steps(tiny.root() / "cut"), (Steps{3}));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }
};

QTEST_GUILESS_MAIN(TestStoppedEvaluation)
#include "test_stopped_evaluation.moc"
