// SPDX-License-Identifier: GPL-3.0-or-later
// Data efficiency: parts within parts, runs that go on, a curve from the base and one from nothing.
// And the advisor, whose word follows from what it was told.
#include "engine/lab/efficiency.h"

#include <QTemporaryDir>
#include <QtTest>

#include <algorithm>
#include <fstream>

#include "engine/io/files.h"
#include "engine/lab/advisor.h"
#include "engine/session/headless.h"
#include "engine/teaching/teaching.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestEfficiency : public QObject {
  Q_OBJECT

  static Recipe recipe_in(const fs::path& folder) {
    const auto task = teaching_task("korean");
    if (!task) qFatal("%s", task.error().sentence().c_str());
    auto recipe = teaching_recipe(*task, folder / "run");
    if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
    Recipe made = recipe.take();
    // Eight held-out rows, their pictures by whole paths.
    std::ifstream rows(task->heldout);
    std::string line, text;
    for (int i = 0; i < 8 && std::getline(rows, line); ++i) {
      Json row = Json::parse(line);
      for (Json& message : row["messages"])
        for (Json& part : message["content"])
          if (part.contains("path"))
            part["path"] =
                fs::weakly_canonical(task->heldout.parent_path() / part["path"].get<std::string>())
                    .string();
      text += row.dump() + "\n";
    }
    if (!write_file_atomically(folder / "held-out.jsonl", text)) qFatal("no rows");
    made.eval_dataset = {(folder / "held-out.jsonl").string()};
    made.training.max_steps = 2;
    made.training.per_device_train_batch_size = 2;
    made.training.device = "cpu";
    return made;
  }

  static const RankedApproach& row_of(const Advice& advice, Approach approach) {
    return *std::find_if(advice.ranked.begin(), advice.ranked.end(),
                         [&](const RankedApproach& row) { return row.approach == approach; });
  }

 private slots:
  void smaller_parts_lie_within_larger_ones() {
    const auto few = nested_rows(1000, 10, 3), more = nested_rows(1000, 200, 3);
    QCOMPARE(few.size(), std::size_t(10));
    QVERIFY(std::includes(more.begin(), more.end(), few.begin(), few.end()));
    QVERIFY(few != nested_rows(1000, 10, 4));
    QCOMPARE(nested_rows(5, 10, 3).size(), std::size_t(5));
  }

  void rows_from_nothing_are_read_off() {
    std::vector<EfficiencyPoint> points;
    const auto add = [&](const char* from, std::int64_t rows, double loss) {
      EfficiencyPoint point;
      point.from = from;
      point.rows = rows;
      point.best_eval_loss = loss;
      points.push_back(point);
    };
    add("nothing", 16, 3.0);
    add("nothing", 64, 2.0);
    add("base", 16, 2.5);
    add("base", 64, 1.0);
    add("base", 8, 3.5);
    compare_starts(points);
    QVERIFY(std::abs(points[2].rows_from_nothing.value_or(0) - 32) < 1e-9);
    QVERIFY(!points[3].rows_from_nothing);
    QCOMPARE(points[4].rows_from_nothing.value_or(0), 16.0);
  }

  void curves_are_trained_once() {
    QTemporaryDir home;
    const fs::path folder = home.path().toStdString(), out = folder / "out";
    const Recipe recipe = recipe_in(folder);
    EfficiencyOptions options;
    options.rows = {8, 4};
    options.answers = 2;
    int trained = 0, limit = 3;
    EfficiencyHost host;
    host.train = [&](const Recipe& each, const std::optional<fs::path>& run, std::size_t answers) {
      ++trained;
      return train_headless(each, run, {}, {}, answers);
    };
    host.go_on = [&] { return trained < limit; };
    const auto stopped = run_efficiency(recipe, out, options, host);
    QVERIFY(!stopped.ok());
    QVERIFY2(stopped.error().code == ErrorCode::Interrupted, stopped.error().sentence().c_str());
    limit = 100;
    const auto points = run_efficiency(recipe, out, options, host);
    QVERIFY2(points.ok(), points.ok() ? "" : points.error().sentence().c_str());
    QCOMPARE(trained, 4);
    QCOMPARE(points->size(), std::size_t(4));
    for (const EfficiencyPoint& point : *points) {
      QVERIFY2(point.error.empty(), point.error.c_str());
      QCOMPARE(point.state, std::string("finished"));
      QVERIFY(point.eval_loss && point.best_eval_loss && *point.best_eval_loss <= *point.eval_loss);
      QVERIFY(point.scores.count("exact_match"));
    }
    QCOMPARE(points->front().name, std::string("base-4"));
    // Random weights know nothing.
    QVERIFY(*(*points)[1].eval_loss > *(*points)[0].eval_loss);
    QVERIFY(fs::exists(out / "efficiency.csv"));
    options.steps = 3;
    QVERIFY(!run_efficiency(recipe, out, options, host).ok());
    QCOMPARE(trained, 4);
  }

  void what_cannot_be_measured_is_refused() {
    QTemporaryDir home;
    const fs::path folder = home.path().toStdString();
    const Recipe good = recipe_in(folder);
    const auto refused = [&](auto change) {
      Recipe recipe = good;
      EfficiencyOptions options;
      change(recipe, options);
      return !run_efficiency(recipe, folder / "none", options, {}).ok() &&
             !fs::exists(folder / "none");
    };
    QVERIFY(refused([](auto& recipe, auto&) { recipe.eval_dataset.clear(); }));
    QVERIFY(refused([](auto&, auto& o) { o.rows = {}; }));
    QVERIFY(refused([](auto&, auto& o) { o.rows = {0}; }));
    QVERIFY(refused([](auto&, auto& o) { o.rows = {1'000'000}; }));
    QVERIFY(refused([](auto&, auto& o) { o.from = {"elsewhere"}; }));
    QVERIFY(refused([](auto& recipe, auto&) { recipe.training.max_steps = -1; }));
    QVERIFY(refused([](auto&, auto& o) { o.rate_from_nothing = 0; }));
  }

  void advice_follows_from_what_is_said() {
    AdviceQuestion question;
    question.task = "facts";
    question.drift = "daily";
    question.sources = true;
    question.rows = 200;
    auto advice = advise(question);
    QVERIFY(advice.ok());
    QCOMPARE(advice->ranked.front().approach, Approach::Retrieve);
    question = {};
    question.task = "manner";
    question.rows = 5000;
    question.drift = "never";
    question.weights = 7e9;
    question.memory = 24e9;
    advice = advise(question);
    QVERIFY(advice.ok());
    QCOMPARE(advice->ranked.front().approach, Approach::Adapter);
    QVERIFY(!row_of(*advice, Approach::Full).possible);  // 112 GB
    QVERIFY(std::find(advice->methods.begin(), advice->methods.end(), "full") ==
            advice->methods.end());
    question.memory = 200e9;
    QVERIFY(row_of(*advise(question), Approach::Full).possible);
    question.memory = 2e9;
    QVERIFY(!row_of(*advise(question), Approach::Adapter).possible);
    question = {};
    question.task = "classes";
    question.rows = 300;
    question.latency = 20;
    QCOMPARE(advise(question)->ranked.front().approach, Approach::Features);
    question = {};
    question.rows = 10;
    question.task = "format";
    QCOMPARE(advise(question)->ranked.front().approach, Approach::Prompt);
    question = {};
    question.rows = 500'000;
    question.task = "skill";
    question.weights = 1e8;
    question.memory = 16e9;
    QCOMPARE(advise(question)->ranked.front().approach, Approach::Full);
    // A sum is the sum of its reasons.
    for (const RankedApproach& row : advise(question)->ranked) {
      int sum = 0;
      for (const AdviceReason& reason : row.reasons)
        if (reason.weight >= -3) sum += reason.weight;
      QCOMPARE(row.sum, sum);
    }
    QCOMPARE(advise({})->open.size(), std::size_t(5));
    question.drift = "sometimes";
    QVERIFY(!advise(question).ok());
    question = {};
    question.memory = -1;
    QVERIFY(!advise(question).ok());
    question = {};
    question.tasks = 0;
    QVERIFY(!advise(question).ok());
  }
};

QTEST_APPLESS_MAIN(TestEfficiency)
#include "test_efficiency.moc"
