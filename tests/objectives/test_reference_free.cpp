// SPDX-License-Identifier: GPL-3.0-or-later
// Runs of pairs without a reference (ORPO, CPO and SimPO): that none is made, what is said of a
// batch, that they go on to the same bytes, and what is refused. tests/parity compares with TRL.
#include "tests/train/watched_run.h"

#include "engine/objectives/objective.h"
#include "engine/train/row_loss.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

void write_both(const fs::path& path) {
  std::string text;
  for (int i = 0; i < 5; ++i) {
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("Which is number ") +
                               std::to_string(i) + "?"},
                {"chosen", "It is " + std::to_string(i * 3) + "."},
                {"rejected", "Nobody knows, but perhaps " + std::to_string(i) + "."}};
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

struct Said {
  std::map<std::string, Tensor> tensors;
  double number(const char* name) const { return tensors.at(name).item<double>(); }
};

Said said_of(const TinyRun& tiny, const std::vector<std::string>& settings) {
  const Recipe recipe = tiny.recipe("run", settings);
  auto base = load(recipe);
  if (!base) qFatal("%s", base.error().sentence().c_str());
  const auto found = loss_of_rows(*base, recipe, tiny.root() / "pairs.jsonl");
  if (!found) qFatal("%s", found.error().sentence().c_str());
  return {{found->begin(), found->end()}};
}

}  // namespace

class TestReferenceFree : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void no_reference_is_made() {
    TinyRun tiny;
    for (const char* objective : {"objective=orpo", "objective=cpo"}) {
      const Recipe recipe = tiny.recipe("run", {objective, "strategy=full"});
      const auto made = make_objective(recipe);
      QVERIFY(made.ok());
      QCOMPARE(reference_kind(tiny.root() / "model", recipe, **made, false), ReferenceKind::None);
    }
  }

  /// The likelihood is over the prompt's text too, never over a picture's tokens; what is written
  /// of the answers is of the answers alone.
  void orpo_learns_the_prompts_text() {
    TinyRun tiny;
    write_both(tiny.root() / "pairs.jsonl");
    const Said orpo = said_of(tiny, {"objective=orpo", "orpo.beta=0.5"}),
               cpo = said_of(tiny, {"objective=cpo"});
    for (const char* same : {"input_ids", "completion_mask", "attention_mask", "token_logps"})
      QVERIFY2(at::allclose(orpo.tensors.at(same), cpo.tensors.at(same), 1e-5, 1e-5), same);
    const Tensor counts = cpo.tensors.at("completion_mask").sum(1);
    QVERIFY(at::allclose(orpo.tensors.at("logps"), cpo.tensors.at("logps") / counts, 1e-5, 1e-5));
    QVERIFY(std::abs(orpo.number("metric.nll_loss") - cpo.number("metric.nll_loss")) > 1e-4);
    QVERIFY(std::abs(orpo.number("loss") - (orpo.number("metric.nll_loss") -
                                            0.5 * orpo.number("metric.log_odds_ratio"))) < 1e-5);

    TinyRun other;
    write_both(other.root() / "pairs.jsonl");
    const Recipe recipe = other.recipe("run", {"objective=orpo"});
    const auto base = load(recipe);
    QVERIFY(base.ok());
    const auto rows = Dataset::open({other.root() / "pairs.jsonl"});
    const auto conversation = read_row(**rows, 0, whole_preference_rows());
    QVERIFY(conversation.ok());
    const auto encoded = whole_preference_rows().encode(*conversation, *base->processor, {}, "row");
    QVERIFY(encoded.ok());
    const Example& chosen = encoded->sequences[0];
    std::int64_t labels = 0, pictures = 0;
    for (std::size_t at = 0; at < chosen.labels.size(); ++at) {
      const bool shows = base->processor->shows(chosen.input_ids[at]);
      pictures += shows;
      labels += chosen.labels[at] != kIgnoreLabel;
      QVERIFY(!shows || chosen.labels[at] == kIgnoreLabel);
    }
    QVERIFY(pictures > 0);
    QCOMPARE(labels, static_cast<std::int64_t>(chosen.labels.size()) - pictures - 1);
    QVERIFY(encoded->prompt_labels > 0);
    QVERIFY(count_labels(encoded->sequences[1]) <
            static_cast<std::int64_t>(encoded->sequences[1].labels.size()) / 2 +
                encoded->prompt_labels);
  }

  void simpo_is_without_the_likelihood() {
    TinyRun tiny;
    write_both(tiny.root() / "pairs.jsonl");
    const std::vector<std::string> simpo{"objective=cpo", "cpo.loss_type=simpo", "cpo.beta=2"};
    std::vector<std::string> alone = simpo;
    alone.emplace_back("cpo.cpo_alpha=0");
    const Said with = said_of(tiny, simpo), without = said_of(tiny, alone);
    QCOMPARE(without.number("metric.nll_loss"), 0.0);
    QVERIFY(std::abs(with.number("loss") - without.number("loss") -
                     with.number("metric.nll_loss")) < 1e-5);
  }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("settings");
    QTest::newRow("orpo") << "objective=orpo";
    QTest::newRow("orpo, a fixed tower")
        << "objective=orpo;adapter.exclude_modules=.*vision_tower.*";
    QTest::newRow("cpo") << "objective=cpo;cpo.alpha=0.2;cpo.loss_type=simpo";
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, settings);
    TinyRun tiny;
    write_both(tiny.root() / "pairs.jsonl");
    std::vector<std::string> all{"dataset=" + (tiny.root() / "pairs.jsonl").string(),
                                 "eval_dataset=" + (tiny.root() / "pairs.jsonl").string(),
                                 "training.logging_steps=2", "training.max_steps=6"};
    for (const QString& each : settings.split(';')) all.push_back(each.toStdString());
    const Outcome whole = run(tiny.recipe("whole", all));
    VERIFY_OK(whole);
    QVERIFY(whole.watcher.lines.back().loss < whole.watcher.lines.front().loss);
    QVERIFY(whole.watcher.lines.back().figures.contains("eval_nll_loss"));
    const Recipe recipe = tiny.recipe("cut", all);
    bool seen = false;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 11 && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  void what_nobody_reads_is_refused() {
    TinyRun tiny;
    const Status status = check_recipe(
        tiny.recipe("run", {"objective=cpo", "cpo.loss_type=hinge", "cpo.label_smoothing=0.1"}));
    QVERIFY(!status);
    QVERIFY(status.error().sentence().find("label_smoothing") != std::string::npos);
    write_text(tiny.root() / "rows.jsonl",
               R"({"prompt": "Who?", "completion": "Me.", "label": true})"
               "\n");
    for (const char* objective : {"objective=orpo", "objective=cpo"}) {
      const Outcome outcome = run(tiny.recipe("run", {objective}));
      QVERIFY(!outcome.result.ok());
      const std::string sentence = outcome.result.error().sentence();
      QVERIFY2(sentence.find("row 1: chosen") != std::string::npos, sentence.c_str());
    }
  }

  /// max_length may leave the prompt's labels and nothing of an answer: such a row is refused, not
  /// learned from.
  void a_row_whose_answer_is_cut_away_is_refused() {
    TinyRun tiny;
    write_text(tiny.root() / "rows.jsonl",
               R"({"prompt": "a b c d e f g h i j k l m n o p", "chosen": "q r", "rejected": "s"})"
               "\n");
    const Outcome outcome = run(tiny.recipe("run", {"objective=orpo", "training.max_length=8"}));
    QVERIFY(!outcome.result.ok());
    const std::string sentence = outcome.result.error().sentence();
    QVERIFY2(sentence.find("max_length is 8") != std::string::npos, sentence.c_str());
  }
};

QTEST_GUILESS_MAIN(TestReferenceFree)
#include "test_reference_free.moc"
