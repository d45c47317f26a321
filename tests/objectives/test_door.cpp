// SPDX-License-Identifier: GPL-3.0-or-later
// What an objective may bring along reaches every place without being known there: a row kind, a
// count, figures, a state. Shown by one that lives in the tests alone, through real runs.
#include "tests/train/watched_run.h"

#include "tests/objectives/toy_objective.h"

using namespace luthier;
using namespace luthier::test;

namespace {

TrainerOptions toy(WindowRule rule) {
  TrainerOptions options;
  options.objective = [rule](const Recipe&) -> Result<std::unique_ptr<Objective>> {
    return std::unique_ptr<Objective>(std::make_unique<ToyObjective>(rule));
  };
  return options;
}

std::string bytes_of(const fs::path& folder, const std::string& part) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().find(part) == std::string::npos) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  return {};
}

}  // namespace

class TestDoor : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void figures_reach_what_a_run_writes() {
    TinyRun tiny;
    const Recipe recipe =
        tiny.recipe("run", {"eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                            "training.max_steps=3", "training.eval_steps=3"});
    const Outcome outcome = run(recipe, {}, {}, toy(WindowRule::Means));
    VERIFY_OK(outcome);
    QCOMPARE(outcome.watcher.lines.size(), std::size_t{3});
    for (const MetricsLine& line : outcome.watcher.lines) {
      QVERIFY(line.figures.contains("toy/labels"));
      QCOMPARE(line.figures.contains("eval_toy/labels"), line.step == 3);
      QVERIFY(!line.figures.contains("eval_toy/seen"));  // of those that have a value
    }
    QCOMPARE(outcome.watcher.lines[0].figures.at("toy/rows"), 2.0);
    QCOMPARE(outcome.watcher.lines[0].figures.at("toy/seen"), 3.0);  // mean of 2 and 4
    std::ifstream file(tiny.root() / "run/metrics.jsonl");
    std::string text;
    for (std::size_t i = 0; std::getline(file, text); ++i) {
      const auto json = parse_json(text, "metrics");
      QVERIFY(json.ok());
      QCOMPARE((*json)["toy/labels"].get<double>(),
               outcome.watcher.lines[i].figures.at("toy/labels"));
      const auto back = metrics_from_json(*json, "metrics");
      QVERIFY(back.ok());
      QVERIFY(back->figures == outcome.watcher.lines[i].figures);
    }
    const std::string board = bytes_of(tiny.root() / "run", "tfevents");
    QVERIFY(board.find("train/toy/labels") != std::string::npos);
    QVERIFY(board.find("eval/toy/labels") != std::string::npos);
  }

  void windows_combine_as_the_objective_says() {
    TinyRun tiny;
    // Micro-batches of as many rows: three ways to the same number.
    double first = 0;
    for (const auto& [rule, rows] :
         {std::pair{WindowRule::Counts, 2.0}, {WindowRule::Means, 2.0}, {WindowRule::Whole, 4.0}}) {
      const Outcome outcome = run(tiny.recipe("run" + std::to_string(static_cast<int>(rule)),
                                              {"training.max_steps=1", "adapter.lora_dropout=0"}),
                                  {}, {}, toy(rule));
      VERIFY_OK(outcome);
      QCOMPARE(outcome.watcher.lines[0].figures.at("toy/rows"), rows);
      const double loss = outcome.watcher.lines[0].loss;
      if (first == 0) first = loss;
      QVERIFY2(std::abs(loss / first - 1) < 1e-5, qPrintable(QString::number(loss)));
    }
  }

  // An epoch's last window is shorter: 11 rows in windows of 2 × 2 leave one of 2 and 1 rows.
  void a_short_window_tells_means_from_counts() {
    TinyRun tiny;
    const auto last = [&](const char* out, WindowRule rule) {
      const Outcome outcome = run(
          tiny.recipe(
              out, {"training.max_steps=3", "training.learning_rate=0", "adapter.lora_dropout=0"}),
          {}, {}, toy(rule));
      return outcome.result ? outcome.watcher.lines.back().loss : 0.0;
    };
    const double counts = last("counts", WindowRule::Counts),
                 whole = last("whole", WindowRule::Whole), means = last("means", WindowRule::Means);
    QVERIFY(counts > 0);
    QVERIFY(std::abs(counts / whole - 1) < 1e-5);
    QVERIFY(std::abs(counts / means - 1) > 1e-3);
  }

  // Three rows to evaluate on, in batches of two; where windows are whole, of two times two.
  void an_evaluation_compares_as_many_rows_as_a_step() {
    TinyRun tiny;
    for (const auto& [rule, rows] : {std::pair{WindowRule::Means, 1.5}, {WindowRule::Whole, 3.0}}) {
      const Outcome outcome = run(
          tiny.recipe(
              "run" + std::to_string(static_cast<int>(rule)),
              {"training.max_steps=1", "eval_dataset=" + (tiny.root() / "eval.jsonl").string()}),
          {}, {}, toy(rule));
      VERIFY_OK(outcome);
      QCOMPARE(outcome.watcher.lines.back().figures.at("eval_toy/rows"), rows);
    }
  }

  void goes_on_to_the_same_bytes_data() {
    QTest::addColumn<int>("stop_at");
    for (const int step : {1, 4, 5}) QTest::addRow("step %d", step) << step;
  }
  void goes_on_to_the_same_bytes() {
    QFETCH(int, stop_at);
    TinyRun tiny;
    const std::vector<std::string> settings{
        "training.logging_steps=2", "eval_dataset=" + (tiny.root() / "eval.jsonl").string()};
    const TrainerOptions options = toy(WindowRule::Means);
    VERIFY_OK(run(tiny.recipe("whole", settings), {}, {}, options));
    const Recipe recipe = tiny.recipe("cut", settings);
    int seen = 0;
    VERIFY_OK(run(
        recipe, {},
        [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
          watcher.between = [&, done = 0]() mutable {
            if (++done / 3 >= stop_at && !seen) seen = 1, control.stop(true);
          };
        },
        options));
    VERIFY_OK(run(recipe, tiny.root() / "cut", {}, options));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

  void rows_of_another_kind_are_refused_by_name() {
    TinyRun tiny;
    write_text(tiny.root() / "pairs.jsonl",
               R"({"prompt": "Who?", "chosen": "Me.", "rejected": "You."})"
               "\n");
    const Outcome outcome =
        run(tiny.recipe("run", {"dataset=" + (tiny.root() / "pairs.jsonl").string()}));
    QVERIFY(!outcome.result.ok());
    const std::string sentence = outcome.result.error().sentence();
    QVERIFY2(sentence.find("row 1") != std::string::npos &&
                 sentence.find("rejected") != std::string::npos,
             sentence.c_str());
  }

  void every_objective_has_both_halves() {
    QCOMPARE(objectives().size(), objective_kinds().size());
    TinyRun tiny;
    for (const ObjectiveKind& kind : objective_kinds()) {
      QVERIFY2(find_row_kind(kind.row_kind), kind.name);
      const auto made = make_objective(tiny.recipe("run", {std::string("objective=") + kind.name}));
      QVERIFY2(made.ok(), kind.name);
      QCOMPARE(std::string((*made)->row_kind().name()), std::string(kind.row_kind));
    }
  }
};

QTEST_GUILESS_MAIN(TestDoor)
#include "test_door.moc"
