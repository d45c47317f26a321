// SPDX-License-Identifier: GPL-3.0-or-later
// Runs by a mixture, with earlier data among the new, and by a course: resumed to the byte, and of
// the rows that they say.
#include "tests/train/watched_run.h"

#include <numeric>

#include "engine/batches/row_order.h"
#include "engine/batches/window_source.h"
#include "engine/device/memory.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Rows of a difficulty that falls from row to row, and of texts that grow.
void make_graded_rows(const fs::path& path, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    std::string answer = "It is";
    for (int j = 0; j <= i; ++j) answer += " " + std::to_string(j);
    Json graded = row(i, answer + ".", {});
    graded["level"] = count - i;
    text += graded.dump() + "\n";
  }
  write_text(path, text);
}

struct Files {
  TinyRun tiny;
  Files() {
    make_rows(tiny.root() / "small.jsonl", 4);
    make_graded_rows(tiny.root() / "graded.jsonl", 12);
  }
  std::string path(const char* name) const { return (tiny.root() / name).string(); }
  std::vector<std::string> both() const {
    return {"dataset=[" + path("rows.jsonl") + ", " + path("small.jsonl") + "]"};
  }
  /// The settings of an order by its name.
  std::vector<std::string> of(const QString& name) const {
    std::vector<std::string> settings;
    if (name == "weights" || name == "temperature") settings = both();
    if (name == "weights") settings.push_back("mixture.weights=[1, 3]");
    if (name == "temperature") settings.push_back("mixture.temperature=5");
    if (name == "replay") {
      settings.push_back("replay.dataset=" + path("small.jsonl"));
      settings.push_back("replay.share=0.25");
    }
    if (name.startsWith("course")) settings.push_back("dataset=" + path("graded.jsonl"));
    if (name == "course by length") settings.push_back("curriculum.by=length");
    if (name == "course by level" || name == "course sorted")
      settings.push_back("curriculum.by=level");
    if (name == "course sorted") settings.push_back("curriculum.pacing=sorted");
    return settings;
  }
};

/// The rows of the first epoch, as indices of the dataset's rows.
Result<std::vector<std::int64_t>> first_epoch(const Recipe& recipe) {
  LUTHIER_TRY(const LoadedModel base, load(recipe));
  RowReader reader;
  reader.processor = base.processor;
  LUTHIER_TRY(reader.dataset, open_training_data(recipe));
  std::vector<std::int64_t> usable(reader.dataset->size());
  std::iota(usable.begin(), usable.end(), std::int64_t{0});
  LUTHIER_TRY(const auto order, make_row_order(recipe, reader, usable));
  LUTHIER_TRY(const StepPlan plan, plan_steps(order->places(), recipe.training));
  std::vector<std::int64_t> rows;
  for (const PlacedRow& placed : order->epoch(plan, 0)) rows.push_back(placed.row);
  return rows;
}

}  // namespace

class TestRowOrders : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  void resumes_to_the_byte_data() {
    QTest::addColumn<QString>("name");
    for (const char* name : {"weights", "temperature", "replay", "course by length",
                             "course by level", "course sorted"})
      QTest::newRow(name) << QString(name);
  }
  void resumes_to_the_byte() {
    QFETCH(QString, name);
    const Files files;
    std::vector<std::string> settings = files.of(name);
    settings.push_back("training.max_steps=8");
    VERIFY_OK(run(files.tiny.recipe("whole", settings)));
    const Recipe recipe = files.tiny.recipe("cut", settings);
    for (const std::int64_t stop_at : {2, 5}) {
      const std::optional<fs::path> before =
          stop_at == 2 ? std::nullopt : std::optional(files.tiny.root() / "cut");
      const Outcome cut =
          run(recipe, before, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
            watcher.at_step = [&control, stop_at](std::int64_t step) {
              if (step == stop_at) control.stop(true);
            };
          });
      VERIFY_OK(cut);
      QCOMPARE(cut.result->state, RunState::Stopped);
    }
    VERIFY_OK(run(recipe, files.tiny.root() / "cut"));
    const QString found = differences(files.tiny.root() / "cut", files.tiny.root() / "whole");
    QVERIFY2(found.isEmpty(), qPrintable(found));
    std::vector<std::string> plain = settings;
    std::erase_if(plain, [](const std::string& each) { return !each.starts_with("dataset="); });
    plain.push_back("training.max_steps=8");
    VERIFY_OK(run(files.tiny.recipe("plain", plain)));
    QVERIFY(!differences(files.tiny.root() / "plain", files.tiny.root() / "whole").isEmpty());
  }

  void an_epoch_has_the_rows_that_are_said() {
    const Files files;  // 11 rows, 4 small ones, 12 graded ones
    const auto rows = [&](const char* name, std::vector<std::string> more = {}) {
      std::vector<std::string> settings = files.of(name);
      settings.insert(settings.end(), more.begin(), more.end());
      const auto found = first_epoch(files.tiny.recipe("run", settings));
      if (!found) qFatal("%s", found.error().sentence().c_str());
      return *found;
    };
    QCOMPARE(rows("weights").size(), std::size_t(15));
    const auto one = rows("weights", {"mixture.weights=[0, 1]"});
    QVERIFY(std::all_of(one.begin(), one.end(), [](std::int64_t row) { return row >= 11; }));
    QCOMPARE(rows("replay").size(), std::size_t(15));  // 11 / (1 - 0.25), nearest
    const auto sorted = rows("course sorted");
    std::vector<std::int64_t> falling(12);
    std::iota(falling.rbegin(), falling.rend(), std::int64_t{0});
    QCOMPARE(sorted, falling);  // the last row is the easiest
    QCOMPARE(rows("course sorted", {"curriculum.reverse=true"}).front(), std::int64_t(0));
    QCOMPARE(rows("course sorted", {"curriculum.by=length"}).back(), std::int64_t(11));
  }

  void what_cannot_be_ordered_is_said_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("setting");
    QTest::addColumn<QString>("part");
    const auto row = [](const char* name, const char* setting, const char* part) {
      QTest::newRow(setting) << name << setting << part;
    };
    row("weights", "mixture.weights=[1]", "mixture.weights: has 1 numbers, dataset has 2");
    row("weights", "mixture.weights=[1, x]", "mixture.weights: holds \"x\", which is no number");
    row("weights", "mixture.weights=[0, 0]", "mixture.weights: leaves every file out");
    row("weights", "mixture.weights=[1, -1]", "mixture.weights: holds a number that is no weight");
    row("weights", "mixture.temperature=2", "mixture.temperature: says the weights");
    row("replay", "curriculum.by=length", "curriculum.by: goes over all rows");
    row("course by level", "curriculum.by=depth", "row 1: depth: The row has no number");
    row("replay", "replay.dataset=nothing.jsonl", "nothing.jsonl");
  }
  void what_cannot_be_ordered_is_said() {
    QFETCH(QString, name);
    QFETCH(QString, setting);
    QFETCH(QString, part);
    const Files files;
    std::vector<std::string> settings = files.of(name);
    settings.push_back(setting.toStdString());
    const QByteArray said = fault_of(run(files.tiny.recipe("run", settings)));
    QVERIFY2(said.contains(part.toUtf8()), said.constData());
    QVERIFY(!fs::exists(files.tiny.root() / "run"));
  }
};

QTEST_APPLESS_MAIN(TestRowOrders)
#include "test_row_orders.moc"
