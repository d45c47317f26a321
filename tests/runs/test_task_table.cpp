// SPDX-License-Identifier: GPL-3.0-or-later
// The table of every task after every task: its measures against numbers worked out by hand, the
// file and what of one is refused.
#include <QtTest>

#include <cmath>
#include <fstream>

#include "engine/runs/task_table.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

TaskTable table_of(const std::string& figure, const std::vector<std::vector<double>>& numbers) {
  TaskTable table;
  for (std::size_t i = 0; i < numbers.front().size(); ++i)
    table.tasks.push_back("task" + std::to_string(i + 1));
  for (const auto& row : numbers) {
    table.rows.emplace_back();
    for (const double number : row) table.rows.back().push_back({3, {{figure, number}}});
  }
  return table;
}

void compare(const std::optional<double>& found, double expected) {
  QVERIFY(found);
  QVERIFY2(std::abs(*found - expected) < 1e-12, qPrintable(QString::number(*found)));
}

}  // namespace

class TestTaskTable : public QObject {
  Q_OBJECT

 private slots:
  void measures_are_the_literatures() {
    // The first task is best after the second one, and lost most by the third.
    const TaskTable table = table_of(
        "exact_match", {{0.1, 0.2, 0.3}, {0.8, 0.4, 0.3}, {0.9, 0.7, 0.5}, {0.5, 0.6, 0.9}});
    const ContinualMeasures all = continual_measures(table, "exact_match");
    compare(all.average, (0.5 + 0.6 + 0.9) / 3);
    compare(all.backward_transfer, ((0.5 - 0.8) + (0.6 - 0.7)) / 2);
    compare(all.forward_transfer, ((0.4 - 0.2) + (0.5 - 0.3)) / 2);
    compare(all.forgetting, ((0.9 - 0.5) + (0.7 - 0.6)) / 2);
  }

  void of_a_loss_less_is_better() {
    const TaskTable table = table_of("loss", {{4, 4}, {1, 3}, {2, 1}});
    const ContinualMeasures all = continual_measures(table, "loss");
    compare(all.average, 1.5);
    compare(all.backward_transfer, -1);
    compare(all.forward_transfer, 1);
    compare(all.forgetting, 1);
  }

  void what_there_are_too_few_tasks_for_is_empty() {
    TaskTable table = table_of("loss", {{4, 4}});
    QVERIFY(!continual_measures(table, "loss").average);
    table = table_of("loss", {{4, 4}, {1, 3}});
    compare(continual_measures(table, "loss").average, 1);
    QVERIFY(!continual_measures(table, "loss").forgetting);
    QVERIFY(!table.whole());
    const TaskTable one = table_of("loss", {{4}, {1}});
    QVERIFY(one.whole());
    QVERIFY(!continual_measures(one, "loss").backward_transfer);
  }

  void a_figure_that_a_cell_lacks_is_not_the_tables() {
    TaskTable table = table_of("loss", {{4, 4}, {1, 3}});
    for (auto& row : table.rows)
      for (TaskScore& score : row) score.figures["exact_match"] = 0.5;
    QCOMPARE(table.figures(), (std::vector<std::string>{"exact_match", "loss"}));
    table.rows[1][0].figures.erase("loss");
    QCOMPARE(table.figures(), std::vector<std::string>{"exact_match"});
    QVERIFY(to_json(table)["measures"].contains("exact_match"));
    QVERIFY(!to_json(table)["measures"].contains("loss"));
  }

  void the_file_is_read_as_it_was_written() {
    const fs::path root = folder_.path().toStdString();
    const auto none = read_task_table(root);
    QVERIFY(none.ok() && !*none);
    TaskTable table = table_of("loss", {{4.1, 1.0 / 3}, {1, 3}});
    table.answers = 7;
    QVERIFY(write_task_table(table, root).ok());
    const auto read = read_task_table(root);
    QVERIFY(read.ok() && *read);
    QCOMPARE((*read)->tasks, table.tasks);
    QCOMPARE((*read)->answers, std::int64_t(7));
    QVERIFY((*read)->rows == table.rows);
    QCOMPARE(to_json(**read).dump(), to_json(table).dump());
  }

  void refusals_data() {
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("part");
    const auto row = [](const char* text, const char* part) {
      QTest::newRow(text) << text << part;
    };
    row("[]", "A map is expected");
    row("{", "task_table.json");
    row(R"({"format_version": 2})", "format_version");
    row(R"({"format_version": 1, "rows": []})", "tasks: A list of names");
    row(R"({"format_version": 1, "tasks": [1], "rows": []})", "tasks: A list of names");
    row(R"({"format_version": 1, "tasks": ["a"]})", "rows: A list is expected");
    row(R"({"format_version": 1, "tasks": ["a"], "rows": [{}, {}, {}]})", "one a task at most");
    row(R"({"format_version": 1, "tasks": ["a"], "rows": [{"tasks": []}]})", "rows.1: A row needs");
    row(R"({"format_version": 1, "tasks": ["a"], "rows": [{"tasks": [{"rows": 1}]}]})",
        "rows.1.tasks.1.figures");
    row(R"({"format_version": 1, "tasks": ["a"],
            "rows": [{"tasks": [{"rows": 1, "figures": {"loss": "x"}}]}]})",
        "figures.loss");
  }
  void refusals() {
    QFETCH(QString, text);
    QFETCH(QString, part);
    const fs::path root = folder_.path().toStdString();
    std::ofstream(root / kTaskTableFile) << text.toStdString();
    const auto read = read_task_table(root);
    QVERIFY(!read.ok());
    QCOMPARE(read.error().code, ErrorCode::Input);
    const QString said = QString::fromStdString(read.error().sentence());
    QVERIFY2(said.contains(part), qPrintable(said));
  }

  void the_text_has_a_block_a_figure() {
    TaskTable table = table_of("loss", {{4, 4}, {1, 3}, {2, 1}});
    table.tasks = {"색", "counting"};
    const QStringList lines = QString::fromStdString(task_table_text(table)).split('\n');
    QCOMPARE(lines.size(), 6);
    QCOMPARE(lines[0].size(), lines[1].size());
    QCOMPARE(lines[1].size(), lines[3].size());
    QVERIFY(lines[0].startsWith("loss") && lines[0].endsWith("counting"));
    QVERIFY(lines[2].startsWith("after 색") && lines[2].endsWith("3.0000"));
    QVERIFY(lines[4].contains("backward transfer -1.0000"));
    QVERIFY(lines[4].contains("forgetting +1.0000"));
  }

 private:
  QTemporaryDir folder_;
};

QTEST_APPLESS_MAIN(TestTaskTable)
#include "test_task_table.moc"
