// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that learn from single answers (KTO, BCO): where they begin, what they carry from step to
// step, that they go on to the same bytes, and what is refused. tests/parity compares with TRL.
#include "tests/train/watched_run.h"

#include "engine/objectives/objective.h"
#include "engine/train/row_loss.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

void write_judged(const fs::path& path, int count = 5) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json row = {{"prompt", (i % 2 ? "" : "<image>") + std::string("What is number ") +
                               std::to_string(i) + "?"},
                {"completion", "It is " + std::string(static_cast<std::size_t>(i), 'a') + "."},
                {"label", i % 3 != 2}};
    if (i % 2 == 0) row["images"] = {(fixture() / "b.jpg").string()};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

std::map<std::string, Tensor> loss_of(const TinyRun& tiny, const std::vector<std::string>& settings,
                                      const char* rows = "judged.jsonl") {
  const Recipe recipe = tiny.recipe("run", settings);
  auto base = load(recipe);
  if (!base) return {};
  const auto found = loss_of_rows(*base, recipe, tiny.root() / rows);
  if (!found) qWarning("%s", found.error().sentence().c_str());
  return found ? std::map<std::string, Tensor>(found->begin(), found->end())
               : std::map<std::string, Tensor>();
}

double number(const std::map<std::string, Tensor>& all, const char* name) {
  return all.at(name).item<double>();
}

std::string refusal(const TinyRun& tiny, const std::vector<std::string>& settings) {
  const Outcome outcome = run(tiny.recipe("run", settings));
  return outcome.result.ok() ? std::string() : outcome.result.error().sentence();
}

}  // namespace

class TestUnpaired : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  /// Policy and reference are the same: each term is 1 − σ(0), or log 2.
  void a_fresh_run_begins_in_the_middle() {
    TinyRun tiny;
    write_judged(tiny.root() / "judged.jsonl");
    const auto kto = loss_of(tiny, {"objective=kto", "kto.desirable_weight=3"});
    QVERIFY(std::abs(number(kto, "loss") - (4 * 1.5 + 0.5) / 5) < 1e-6);
    QVERIFY(std::abs(number(kto, "metric.kl")) < 1e-5);
    QCOMPARE(kto.at("label").toType(torch::kInt64).sum().item<std::int64_t>(), std::int64_t{4});
    QCOMPARE(kto.at("input_ids").size(0), std::int64_t{5});
    QVERIFY(at::allclose(kto.at("logps"), kto.at("ref_logps"), 1e-5, 1e-4));
    const auto bco = loss_of(tiny, {"objective=bco"});
    QVERIFY(std::abs(number(bco, "loss") - std::log(2.0)) < 1e-6);
    QVERIFY(std::abs(number(bco, "metric.delta")) < 1e-6);
  }

  /// With one row its own answer is the one before it: what is measured from is what is measured.
  void one_answer_is_measured_from_itself() {
    TinyRun tiny;
    write_judged(tiny.root() / "judged.jsonl", 1);
    VERIFY_OK(run(tiny.recipe("first", {"objective=sft", "training.learning_rate=0.02",
                                        "dataset=" + (tiny.root() / "judged.jsonl").string()})));
    const auto moved = loss_of(
        tiny, {"objective=kto", "adapter.init_from=" + (tiny.root() / "first/adapter").string(),
               "ref_model=" + (tiny.root() / "model").string(), "kto.beta=0.5"});
    const double reward = number(moved, "metric.rewards/chosen");
    QVERIFY(reward > 0.1);
    QVERIFY(std::abs(number(moved, "metric.kl") - reward / 0.5) < 1e-3);
    QVERIFY(std::abs(number(moved, "loss") - 0.5) < 1e-4);
  }

  /// The answer that a neighbour is measured with is whole, whatever max_length left of it.
  void a_neighbours_answer_is_whole() {
    TinyRun tiny;
    const auto row = [](const std::string& prompt, const std::string& answer) {
      return Json({{"prompt", prompt}, {"completion", answer}, {"label", true}}).dump() + "\n";
    };
    const std::string tail = "b c d e f g h i j k l m n o p q r s t u v w x y z";
    write_text(tiny.root() / "judged.jsonl",
               row("a long question that takes its room", tail) + row("a", "b"));
    VERIFY_OK(run(tiny.recipe("first", {"objective=sft", "training.learning_rate=0.02",
                                        "dataset=" + (tiny.root() / "judged.jsonl").string()})));
    const std::vector<std::string> settings{
        "objective=kto", "adapter.init_from=" + (tiny.root() / "first/adapter").string(),
        "ref_model=" + (tiny.root() / "model").string()};
    const auto whole = loss_of(tiny, settings);
    const auto longest = whole.at("attention_mask").sum(1).max().item<std::int64_t>();
    std::vector<std::string> shorter = settings;
    shorter.push_back("training.max_length=" + std::to_string(longest - 4));
    const auto cut = loss_of(tiny, shorter);
    QCOMPARE(cut.at("input_ids").size(1), longest - 4);
    // The second row's prompt is short enough for all of the first one's answer.
    QVERIFY(std::abs(number(whole, "metric.kl") - number(cut, "metric.kl")) < 1e-3);
    QVERIFY(number(whole, "metric.kl") > 0);
  }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("objective");
    QTest::addColumn<QString>("strategy");
    QTest::newRow("kto") << "kto"
                         << "lora";
    QTest::newRow("kto, projector") << "kto"
                                    << "freeze";
    QTest::newRow("bco") << "bco"
                         << "lora";
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, objective);
    QFETCH(QString, strategy);
    TinyRun tiny;
    write_judged(tiny.root() / "judged.jsonl");
    const std::string rows = (tiny.root() / "judged.jsonl").string();
    const std::vector<std::string> settings{"objective=" + objective.toStdString(),
                                            "strategy=" + strategy.toStdString(),
                                            "dataset=" + rows,
                                            "eval_dataset=" + rows,
                                            "training.shuffle=false",
                                            "training.learning_rate=1.0e-3",
                                            "training.logging_steps=2",
                                            "training.max_steps=6"};
    const Outcome whole = run(tiny.recipe("whole", settings));
    VERIFY_OK(whole);
    QVERIFY(whole.watcher.lines.back().figures.contains("eval_rewards/margins"));
    QVERIFY(std::abs(whole.watcher.lines.back().loss - whole.watcher.lines.front().loss) > 1e-5);
    const Recipe recipe = tiny.recipe("cut", settings);
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

  /// δ is the mean of all rewards that were trained on: evaluation, which meets rewards too, leaves
  /// it alone.
  void delta_is_the_mean_of_what_training_met() {
    TinyRun tiny;
    write_judged(tiny.root() / "judged.jsonl", 4);
    const Outcome outcome = run(tiny.recipe(
        "run", {"objective=bco", "dataset=" + (tiny.root() / "judged.jsonl").string(),
                "eval_dataset=" + (tiny.root() / "judged.jsonl").string(), "training.eval_steps=1",
                "training.max_steps=4", "training.logging_steps=1", "training.warmup_steps=0",
                "training.gradient_accumulation_steps=1", "training.shuffle=false",
                "training.learning_rate=5.0e-3"}));
    VERIFY_OK(outcome);
    double sum = 0;
    std::int64_t met = 0;
    for (const MetricsLine& line : outcome.watcher.lines) {
      const auto& figures =
          line.figures;  // two rows a step: both good, or a bad one and a good one
      const bool both = figures.contains("rewards/rejected");
      sum += both ? figures.at("rewards/chosen") + figures.at("rewards/rejected")
                  : 2 * figures.at("rewards/chosen");
      met += 2;
      QVERIFY(std::abs(figures.at("delta") - sum / static_cast<double>(met)) < 1e-5);
      QCOMPARE(figures.at("eval_delta"), figures.at("delta"));
    }
    QVERIFY(std::abs(sum) > 1e-3);

    const Recipe recipe = tiny.recipe("again", {"objective=bco"});
    const auto objective = make_objective(recipe);
    QVERIFY(objective.ok());
    QVERIFY((*objective)->read_state({{"delta", 0.1}, {"rewards", 7}}, "checkpoint").ok());
    QVERIFY(((*objective)->state() == Json{{"delta", 0.1}, {"rewards", 7}}));
    QVERIFY(!(*objective)->read_state({{"delta", 0.1}, {"rewards", -7}}, "checkpoint").ok());
    QVERIFY(!(*objective)->read_state({{"delta", "much"}, {"rewards", 7}}, "checkpoint").ok());
  }

  void rows_of_another_kind_are_refused_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("named");
    QTest::newRow("no label") << R"({"prompt": "Who?", "completion": "Me."})"
                              << "row 1: label";
    QTest::newRow("no truth") << R"({"prompt": "Who?", "completion": "Me.", "label": "good"})"
                              << "row 1: label";
    QTest::newRow("pair") << R"({"prompt": "Who?", "chosen": "Me.", "rejected": "You."})"
                          << "row 1: chosen";
    QTest::newRow("no prompt") << R"({"messages": [{"role": "assistant", "content": "Me."}],
                                     "kto_tag": true})"
                               << "row 1: messages";
    QTest::newRow("no answer") << R"({"messages": [{"role": "user", "content": "Who?"}],
                                     "label": true})"
                               << "row 1: messages";
  }
  void rows_of_another_kind_are_refused() {
    QFETCH(QString, row);
    QFETCH(QString, named);
    TinyRun tiny;
    write_text(tiny.root() / "rows.jsonl", row.simplified().toStdString() + "\n");
    for (const char* objective : {"objective=kto", "objective=bco"}) {
      const std::string sentence = refusal(tiny, {objective, "training.shuffle=false"});
      QVERIFY2(sentence.find(named.toStdString()) != std::string::npos, sentence.c_str());
    }
  }

  void what_kto_cannot_measure_is_refused() {
    TinyRun tiny;
    const auto fault = [&](const std::vector<std::string>& settings) {
      const Status status = check_recipe(tiny.recipe("run", settings));
      return status ? std::string() : status.error().sentence();
    };
    const std::string alone = fault({"objective=kto", "training.per_device_train_batch_size=1"});
    QVERIFY2(alone.find("per_device_train_batch_size") != std::string::npos, alone.c_str());
    const std::string mixed = fault({"objective=kto", "training.shuffle=true"});
    QVERIFY2(mixed.find("training.shuffle") != std::string::npos, mixed.c_str());
    QVERIFY(fault({"objective=kto"}).empty());
    QVERIFY(fault({"objective=kto", "kto.loss_type=apo_zero_unpaired", "training.shuffle=true",
                   "training.per_device_train_batch_size=1"})
                .empty());
  }
};

QTEST_GUILESS_MAIN(TestUnpaired)
#include "test_unpaired.moc"
