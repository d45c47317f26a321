// SPDX-License-Identifier: GPL-3.0-or-later
// What an evaluation finds of held-out rows is what a comparison of the run's result finds
// afterwards; and asking changes nothing that the run computes.
#include "engine/compare/compare.h"
#include "engine/compare/held_out.h"
#include "engine/session/headless.h"
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

MetricsLine last_line(const fs::path& run) { return RunFolder::open(run)->read_metrics().back(); }

}  // namespace

class TestHeldOut : public QObject {
  Q_OBJECT

 private slots:
  void rows_that_expect_an_answer_are_taken() {
    TinyRun tiny;
    Recipe recipe = tiny.recipe("run", {"eval_dataset=" + (tiny.root() / "eval.jsonl").string()});
    QCOMPARE(held_out_samples(recipe, 2).size(), std::size_t(2));
    QCOMPARE(held_out_samples(recipe, 100).size(), std::size_t(3));
    QCOMPARE(held_out_samples(recipe, 0).size(), std::size_t(0));
    recipe.eval_dataset = {(tiny.root() / "nothing.jsonl").string()};
    QCOMPARE(held_out_samples(recipe, 2).size(), std::size_t(0));
  }

  void the_scores_are_those_of_a_comparison_data() {
    QTest::addColumn<QString>("strategy");
    QTest::newRow("lora") << "lora";
    QTest::newRow("full") << "full";
    QTest::newRow("prefix_tuning") << "prefix_tuning";
  }
  void the_scores_are_those_of_a_comparison() {
    QFETCH(QString, strategy);
    TinyRun tiny;
    const std::string held_out = (tiny.root() / "eval.jsonl").string();
    const Recipe asked =
        tiny.recipe("asked", {"strategy=" + strategy.toStdString(), "eval_dataset=" + held_out,
                              "training.eval_steps=9", "training.learning_rate=0.02"});
    Recipe quiet = asked;
    quiet.output_dir = (tiny.root() / "quiet").string();
    const auto with = train_headless(asked, {}, {}, {}, 3);
    QVERIFY2(with.ok(), with.ok() ? "" : with.error().sentence().c_str());
    QVERIFY(train_headless(quiet, {}, {}, {}).ok());

    const MetricsLine line = last_line(asked.output_dir);
    QCOMPARE(line.figures.at("eval_answered"), 3.0);
    auto base = load(asked);
    QVERIFY(base.ok());
    const auto compared = compare_adapters(*base, {{"run", asked.output_dir}},
                                           *read_samples({held_out}), GenerationOptions());
    QVERIFY2(compared.ok(), compared.ok() ? "" : compared.error().sentence().c_str());
    const auto scores = column_scores(*compared, 1);
    QCOMPARE(line.figures.at("eval_exact_match"), scores.at("exact").mean);
    QCOMPARE(line.figures.at("eval_token_f1"), scores.at("token_f1").mean);
    QCOMPARE(line.figures.at("eval_chrf"), scores.at("chrf").mean);
    // They are not the untrained model's: what the run trained was asked.
    QVERIFY(scores.at("chrf").mean != column_scores(*compared, 0).at("chrf").mean);

    // But for the figures, both runs are the same to the byte.
    auto left = result_of(asked.output_dir), right = result_of(quiet.output_dir);
    QCOMPARE(last_line(quiet.output_dir).figures.count("eval_answered"), std::size_t(0));
    QCOMPARE(line.loss, last_line(quiet.output_dir).loss);
    QCOMPARE(*line.eval_loss, *last_line(quiet.output_dir).eval_loss);
    left.erase("metrics");
    right.erase("metrics");
    QVERIFY(!left.empty());
    QVERIFY(left == right);
  }

  /// Stopped in the middle and resumed by somebody who asks for no scores: the run has them all the
  /// same, those of a run that never stopped.
  void a_resume_answers_what_the_run_began_with() {
    TinyRun tiny;
    const std::vector<std::string> settings{"eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                                            "training.eval_steps=3"};
    const Recipe whole = tiny.recipe("whole", settings), cut = tiny.recipe("cut", settings);
    QVERIFY(train_headless(whole, {}, {}, {}, 2).ok());
    std::stop_source stop;
    const auto stop_early = [&](const SessionEvent& event) {
      const auto* done = std::get_if<StepDone>(&event);
      if (done && done->line.step >= 3) stop.request_stop();
    };
    const auto begun = train_headless(cut, {}, stop_early, stop.get_token(), 2);
    QVERIFY2(begun.ok(), begun.ok() ? "" : begun.error().sentence().c_str());
    QCOMPARE(begun->state, RunState::Stopped);
    QCOMPARE(RunFolder::open(cut.output_dir)->read_manifest()->held_out_answers, std::int64_t(2));
    const auto rest = train_headless(cut, fs::path(cut.output_dir), {}, {});
    QVERIFY2(rest.ok(), rest.ok() ? "" : rest.error().sentence().c_str());
    QCOMPARE(rest->state, RunState::Finished);
    QCOMPARE(last_line(cut.output_dir).figures.at("eval_answered"), 2.0);
    const QString apart = differences(whole.output_dir, cut.output_dir);
    QVERIFY2(apart.isEmpty(), qPrintable(apart));
    // A run that asked for none has none after its resume either.
    QCOMPARE(manifest_from_json(Json{{"state", "stopped"}}, "run.json")->held_out_answers,
             std::int64_t(0));
  }

  /// A picture that is broken is no reason to lose the run.
  void what_cannot_be_answered_is_a_warning() {
    TinyRun tiny;
    const fs::path broken = tiny.root() / "broken.png", rows = tiny.root() / "held.jsonl";
    write_text(broken, "no picture");
    write_text(rows,
               row(0, "It is 0.", "").dump() + "\n" + row(1, "It is 1.", broken).dump() + "\n");
    const Recipe recipe = tiny.recipe(
        "run", {"eval_dataset=" + rows.string(), "training.eval_steps=9", "image.on_error=skip"});
    const auto trained = train_headless(recipe, {}, {}, {}, 5);
    QVERIFY2(trained.ok(), trained.ok() ? "" : trained.error().sentence().c_str());
    QCOMPARE(trained->state, RunState::Finished);
    QCOMPARE(last_line(recipe.output_dir).figures.count("eval_answered"), std::size_t(0));
    bool said = false;
    for (const RunEvent& event : RunFolder::open(recipe.output_dir)->read_events())
      said = said || (event.kind == "warning" &&
                      event.detail.find("held-out rows were not answered") != std::string::npos);
    QVERIFY(said);
  }
};

QTEST_APPLESS_MAIN(TestHeldOut)
#include "test_held_out.moc"
