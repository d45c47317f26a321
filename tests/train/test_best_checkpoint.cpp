// SPDX-License-Identifier: GPL-3.0-or-later
// The best evaluation's checkpoint as the result, and a run that ends early: the files are those of
// a run that ended there, also after a resume.
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

class TestBestCheckpoint : public QObject {
  Q_OBJECT

  /// Learns for a while, then is thrown off by a rate far too large.
  static std::vector<std::string> settings(const TinyRun& tiny,
                                           std::vector<std::string> more = {}) {
    std::vector<std::string> all{"eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                                 "training.eval_steps=1",
                                 "training.save_steps=3",
                                 "training.warmup_steps=0",
                                 "training.lr_scheduler_type=constant",
                                 "training.max_steps=12",
                                 "training.save_total_limit=1",
                                 "training.load_best_model_at_end=true"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static TrainerOptions thrown_off(std::int64_t step) {
    TrainerOptions options;
    options.edits = {{step, "learning_rate", 20.0}, {step, "max_grad_norm", 0.0}};
    return options;
  }
  static std::int64_t best_of(const fs::path& run) {
    const auto lines = RunFolder::open(run)->read_metrics();
    const auto best =
        std::min_element(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
          return a.eval_loss.value_or(1e9) < b.eval_loss.value_or(1e9);
        });
    return best->step;
  }
  static QByteArray file(const fs::path& path) {
    return QByteArray::fromStdString(*read_file(path));
  }

 private slots:
  void the_result_is_the_best_checkpoint_data() {
    QTest::addColumn<QString>("method");
    for (const char* method : {"lora", "full", "lora with a saved head"})
      QTest::newRow(method) << method;
  }
  void the_result_is_the_best_checkpoint() {
    QFETCH(QString, method);
    TinyRun tiny;
    std::vector<std::string> more{"strategy=" + method.section(' ', 0, 0).toStdString(),
                                  "training.learning_rate=2.0e-3"};
    if (method.contains("head")) more.push_back("adapter.modules_to_save=lm_head");
    const Recipe recipe = tiny.recipe("run", settings(tiny, more));
    const Outcome whole = run(recipe, {}, {}, thrown_off(6));
    VERIFY_OK(whole);
    const std::int64_t best = best_of(tiny.root() / "run");
    QVERIFY(best >= 2 && best <= 6);
    QCOMPARE(whole.result->step, std::int64_t(12));
    // Of a limit of one the best is what is left, and the result is what a run to there comes to.
    QCOMPARE(checkpoint_steps(tiny.root() / "run"), (Steps{best}));
    const bool full = method == "full";
    const fs::path result = full ? "model/model.safetensors" : "adapter/adapter_model.safetensors";
    std::vector<std::string> short_run = more;
    short_run.push_back("training.max_steps=" + std::to_string(best));
    VERIFY_OK(run(tiny.recipe("short", settings(tiny, short_run))));
    QVERIFY(file(tiny.root() / "run" / result) == file(tiny.root() / "short" / result));
    // Told, and again to the byte after a stop.
    QVERIFY(whole.watcher.told("result",
                               "The result is the checkpoint of step " + std::to_string(best)));
    const auto stop_at = [](std::int64_t at) {
      return [at](Watcher& watcher, TrainControl& control, LoadedModel&) {
        watcher.at_step = [&control, at](std::int64_t step) {
          if (step == at) control.stop(true);
        };
      };
    };
    const Recipe parts = tiny.recipe("parts", settings(tiny, more));
    VERIFY_OK(run(parts, {}, stop_at(8), thrown_off(6)));
    VERIFY_OK(run(parts, tiny.root() / "parts"));
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "parts").isEmpty(),
             qPrintable(differences(tiny.root() / "run", tiny.root() / "parts")));
  }

  /// As transformers counts: the best is one of those that are kept.
  void the_limit_counts_the_best() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("run", settings(tiny, {"training.save_total_limit=2",
                                                     "training.learning_rate=2.0e-3"})),
                  {}, {}, thrown_off(6)));
    const std::int64_t best = best_of(tiny.root() / "run");
    QVERIFY(best < 9);
    QCOMPARE(checkpoint_steps(tiny.root() / "run"), (Steps{best, 12}));
    // Also where the result is the last step's and only early stopping seeks a best.
    VERIFY_OK(run(tiny.recipe("patient", settings(tiny, {"training.save_total_limit=2",
                                                         "training.load_best_model_at_end=false",
                                                         "training.early_stopping_patience=50",
                                                         "training.save_steps=1",
                                                         "training.learning_rate=2.0e-3"})),
                  {}, {}, thrown_off(6)));
    QCOMPARE(checkpoint_steps(tiny.root() / "patient"),
             (Steps{best_of(tiny.root() / "patient"), 12}));
  }

  void a_run_that_is_no_better_ends_early() {
    TinyRun tiny;
    const std::vector<std::string> more{"training.early_stopping_patience=2"};
    const Recipe recipe = tiny.recipe("run", settings(tiny, more));
    const Outcome whole = run(recipe, {}, {}, thrown_off(5));
    VERIFY_OK(whole);
    const std::int64_t best = best_of(tiny.root() / "run");
    QVERIFY(whole.result->state == RunState::Finished && whole.result->step < 12);
    QCOMPARE(whole.result->step, best + 2);
    QCOMPARE(whole.watcher.count("early_stop"), 1);
    // A resume of it has nothing to do.
    const auto again = run(recipe, tiny.root() / "run");
    VERIFY_OK(again);
    QCOMPARE(again.result->step, whole.result->step);
    QVERIFY(again.watcher.lines.empty());
  }

  void a_measure_that_is_not_there_is_said() {
    TinyRun tiny;
    const Outcome outcome =
        run(tiny.recipe("run", settings(tiny, {"training.metric_for_best_model=accuracy"})));
    QVERIFY(!outcome.result.ok());
    QCOMPARE(outcome.result.error().where, std::string("training.metric_for_best_model"));
    QVERIFY(outcome.result.error().hint.find("eval_loss") != std::string::npos);
  }
};

QTEST_GUILESS_MAIN(TestBestCheckpoint)
#include "test_best_checkpoint.moc"
