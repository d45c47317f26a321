// SPDX-License-Identifier: GPL-3.0-or-later
// Runs of two judged answers to each prompt: that they go on to the same bytes, that a micro-batch
// counts prompts and keeps their answers together, what equal scores and unfinished answers come
// to, and what is refused. tests/parity compares the losses with TRL's.
#include "tests/train/watched_run.h"

#include "engine/objectives/objective.h"
#include "engine/train/row_loss.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// `ends`: of the first answers.
void write_judged(const fs::path& path, int count, const std::vector<double>& scores,
                  bool ends = false) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("What is number ") +
                               std::to_string(i) + "?"},
                {"rewards", {scores[0] + 0.1 * i, scores[1]}}};
    row["completion_ids"] = {{40 + i, 41, 42}, {50, 51 + i, 52, 53, 54}};
    if (ends) row["completion_ids"][0].push_back(2);
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

class Pairs {
 public:
  explicit Pairs(const std::vector<double>& scores = {0.3, -0.2}, bool ends = false) {
    write_judged(tiny.root() / "pairs.jsonl", 8, scores, ends);
  }
  Recipe recipe(const std::string& out, const std::string& objective,
                const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"objective=" + objective,
                                 objective + ".rollouts=" + (tiny.root() / "pairs.jsonl").string()};
    all.insert(all.end(), more.begin(), more.end());
    return tiny.recipe(out, all);
  }
  std::map<std::string, torch::Tensor> said(const std::string& objective,
                                            const std::vector<std::string>& more = {}) const {
    const Recipe asked = recipe("said", objective, more);
    auto base = load(asked);
    if (!base) qFatal("%s", base.error().sentence().c_str());
    const auto found = loss_of_rows(*base, asked, tiny.root() / "pairs.jsonl");
    if (!found) qFatal("%s", found.error().sentence().c_str());
    return {found->begin(), found->end()};
  }
  TinyRun tiny;
};

double number(const std::map<std::string, torch::Tensor>& said, const char* name) {
  return said.at(name).item<double>();
}

}  // namespace

class TestOnline : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("objective");
    QTest::addColumn<QString>("settings");
    QTest::newRow("online_dpo") << "online_dpo"
                                << "strategy=full";
    QTest::newRow("online_dpo, a fixed tower") << "online_dpo"
                                               << "adapter.exclude_modules=.*vision_tower.*";
    QTest::newRow("xpo") << "xpo"
                         << "xpo.alpha=0.01";
    QTest::newRow("nash_md") << "nash_md"
                             << "nash_md.beta=0.4";
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, objective);
    QFETCH(QString, settings);
    const Pairs pairs;
    const std::vector<std::string> all{"training.max_steps=6", "training.learning_rate=1.0e-3",
                                       settings.toStdString()};
    const Outcome whole = run(pairs.recipe("whole", objective.toStdString(), all));
    VERIFY_OK(whole);
    // Two prompts a micro-batch, two of them a step: eight rows are two steps.
    QVERIFY(std::abs(whole.watcher.lines.at(1).epoch - 1) < 1e-9);
    const Recipe recipe = pairs.recipe("cut", objective.toStdString(), all);
    bool seen = false;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 9 && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    const fs::path root = pairs.tiny.root();
    VERIFY_OK(run(recipe, root / "cut"));
    QVERIFY2(differences(root / "cut", root / "whole").isEmpty(),
             qPrintable(differences(root / "cut", root / "whole")));
  }

  /// At the start both models are one: every pair's loss is log 2, or (1 / 2β)², and what the
  /// answers are worth decides which log-probabilities are the chosen ones'.
  void the_better_answer_is_chosen() {
    for (const bool first : {true, false}) {
      const Pairs pairs(first ? std::vector<double>{1, 0.5} : std::vector<double>{-1, 0.5});
      const auto said = pairs.said("online_dpo");
      QVERIFY(std::abs(number(said, "loss") - std::log(2.0)) < 1e-6);
      QVERIFY(std::abs(number(pairs.said("online_dpo", {"online_dpo.loss_type=ipo"}), "loss") -
                       25) < 1e-4);
      const torch::Tensor sums = said.at("logps").view({-1, 2});
      QCOMPARE(said.at("input_ids").size(0), std::int64_t{16});
      QVERIFY(std::abs(number(said, "metric.logps/chosen") -
                       sums.select(1, first ? 0 : 1).mean().item<double>()) < 1e-4);
      QVERIFY(std::abs(number(said, "metric.logps/rejected") -
                       sums.select(1, first ? 1 : 0).mean().item<double>()) < 1e-4);
    }
    // Worth the same, but only the first answers end.
    const Pairs even({0, 0.2}, /*ends=*/true);
    const auto plain = even.said("online_dpo"),
               strict = even.said("online_dpo", {"online_dpo.missing_eos_penalty=3"});
    QCOMPARE(number(plain, "metric.val/contain_eos_token"), 0.5);
    QVERIFY(std::abs(number(plain, "metric.objective/scores") -
                     number(strict, "metric.objective/scores") - 1.5) < 1e-5);
    QVERIFY(number(plain, "metric.logps/chosen") != number(strict, "metric.logps/chosen"));
  }

  /// XPO adds the second answer's log-probability, Nash-MD learns from the first alone.
  void the_others_add_up() {
    const Pairs pairs;
    const auto dpo = pairs.said("online_dpo"), xpo = pairs.said("xpo", {"xpo.alpha=0.25"}),
               nash = pairs.said("nash_md");
    const torch::Tensor sums = dpo.at("logps").view({-1, 2});
    QVERIFY(std::abs(number(xpo, "loss") - number(dpo, "loss") -
                     0.25 * sums.select(1, 1).mean().item<double>()) < 1e-4);
    QCOMPARE(nash.at("logps").size(0), std::int64_t{8});
    QVERIFY(at::allclose(nash.at("logps"), sums.select(1, 0), 1e-4, 1e-4));
    QVERIFY(std::abs(number(nash, "loss") + number(nash, "metric.loss/score")) < 1e-5);
    QVERIFY(std::abs(number(nash, "metric.rewards/probabilities") - 0.5) < 0.4);
  }

  void what_cannot_be_compared_is_refused_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("said");
    QTest::newRow("one answer")
        << R"({"prompt": "Who?", "completion_ids": [[5, 6]], "rewards": [1]})"
        << "completion_ids";
    QTest::newRow("no rewards") << R"({"prompt": "Who?", "completion_ids": [[5, 6], [7]]})"
                                << "rewards";
    QTest::newRow("a missing one")
        << R"({"prompt": "Who?", "completion_ids": [[5, 6], [7]], "rewards": [1, null]})"
        << "rewards";
    QTest::newRow("no file") << ""
                             << "names nothing that judges answers";
  }
  void what_cannot_be_compared_is_refused() {
    QFETCH(QString, row);
    QFETCH(QString, said);
    const Pairs pairs;
    if (row.isEmpty()) {
      const Status status = check_recipe(pairs.recipe("run", "xpo", {"xpo.rollouts=null"}));
      QVERIFY(!status);
      QVERIFY(QString::fromStdString(status.error().sentence()).contains(said));
      return;
    }
    std::string text;
    for (int i = 0; i < 4; ++i) text += row.toStdString() + "\n";
    write_text(pairs.tiny.root() / "pairs.jsonl", text);
    const Outcome outcome = run(pairs.recipe("run", "online_dpo"));
    QVERIFY(!outcome.result.ok());
    const QString sentence = QString::fromStdString(outcome.result.error().sentence());
    QVERIFY2(sentence.contains(said), qPrintable(sentence));
  }
};

QTEST_GUILESS_MAIN(TestOnline)
#include "test_online.moc"
