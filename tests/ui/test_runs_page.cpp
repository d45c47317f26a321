// SPDX-License-Identifier: GPL-3.0-or-later
// The Runs page over folders that the test writes: data that can be told apart, no table where
// there is nothing to compare, and a run that goes on counted by its newest step.
#include "engine/io/json.h"
#include "tests/ui/driver.h"
#include "ui/runs/outcomes_view.h"
#include "ui/runs/path_tails.h"
#include "ui/runs/run_list_model.h"
#include "ui/runs/runs_page.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestRunsPage : public QObject {
  Q_OBJECT

 private slots:
  void tails();
  void data_can_be_told_apart();
  void one_tick_compares_nothing();
  void a_running_run_says_its_newest_step();
  void choices_outlast_reading_again();
  void nothing_is_read_under_who_types();
  void outcomes_keep_their_order();

 private:
  /// A run's folder as the trainer writes it.
  QString write_run(const QString& name, const QString& data, RunState state, std::int64_t step) {
    const QString folder = desk_.run(name);
    const std::string yaml = "model: base\ndataset: " + data.toStdString() +
                             "\noutput_dir: " + folder.toStdString() +
                             "\nadapter: {r: " + std::to_string(4 + name.size()) + "}\n";
    auto run = RunFolder::create(to_path(folder), yaml);
    if (!run) qFatal("%s", run.error().sentence().c_str());
    RunManifest manifest;
    manifest.state = state;
    manifest.model = "base";
    manifest.strategy = "lora";
    manifest.step = step;
    manifest.total_steps = 100;
    manifest.started = utc_now();
    if (!run->write_manifest(manifest)) qFatal("no manifest");
    held_.push_back(run.take());
    return folder;
  }
  void add_line(std::size_t run, std::int64_t step, double loss) {
    MetricsLine line;
    line.step = step;
    line.loss = loss;
    QVERIFY(held_[run].append_metrics(line));
  }
  void start_over() {
    held_.clear();
    QDir(desk_.folder.filePath(QStringLiteral("runs"))).removeRecursively();
  }
  static QString cell(const QTableView* table, int row, int column) {
    return table->model()->index(row, column).data().toString();
  }
  static int row_of(const QTableView* table, const QString& name) {
    for (int row = 0; row < table->model()->rowCount(); ++row)
      if (cell(table, row, RunListModel::Name) == name) return row;
    return -1;
  }

  Desk desk_;
  std::vector<RunFolder> held_;  ///< each holds its lock, as a training process does
};

void TestRunsPage::tails() {
  const auto tails =
      path_tails({"/data/json/train.jsonl", "/data/korean/train.jsonl", "rows.jsonl"});
  QCOMPARE(tails.at("/data/json/train.jsonl"), QStringLiteral("json/train.jsonl"));
  QCOMPARE(tails.at("/data/korean/train.jsonl"), QStringLiteral("korean/train.jsonl"));
  QCOMPARE(tails.at("rows.jsonl"), QStringLiteral("rows.jsonl"));
  const auto alike =
      path_tails({"/a/x/json/train.jsonl", "/a/y/json/train.jsonl", "/a/y/json/train.jsonl"});
  QCOMPARE(alike.at("/a/x/json/train.jsonl"), QStringLiteral("x/json/train.jsonl"));
  QCOMPARE(alike.at("/a/y/json/train.jsonl"), QStringLiteral("y/json/train.jsonl"));
  QCOMPARE(path_tails({"/t.jsonl", "t.jsonl"}).size(), std::size_t(2));
}

void TestRunsPage::data_can_be_told_apart() {
  start_over();
  write_run(QStringLiteral("one"), QStringLiteral("/data/json/train.jsonl"), RunState::Finished,
            100);
  write_run(QStringLiteral("two"), QStringLiteral("/data/korean/train.jsonl"), RunState::Finished,
            100);
  held_.clear();
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  window.show_page(PageId::Runs);
  static_cast<RunsPage*>(window.page(PageId::Runs))
      ->set_folder(desk_.folder.filePath(QStringLiteral("runs")));
  auto* table = person.find<QTableView>("runTable");
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 2);
  QCOMPARE(cell(table, row_of(table, QStringLiteral("one")), RunListModel::Data),
           QStringLiteral("json/train.jsonl"));
  QCOMPARE(cell(table, row_of(table, QStringLiteral("two")), RunListModel::Data),
           QStringLiteral("korean/train.jsonl"));
}

void TestRunsPage::one_tick_compares_nothing() {
  start_over();
  write_run(QStringLiteral("one"), QStringLiteral("/data/json/train.jsonl"), RunState::Finished,
            100);
  write_run(QStringLiteral("three"), QStringLiteral("/data/korean/train.jsonl"), RunState::Finished,
            100);
  held_.clear();
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  window.show_page(PageId::Runs);
  static_cast<RunsPage*>(window.page(PageId::Runs))
      ->set_folder(desk_.folder.filePath(QStringLiteral("runs")));
  auto* table = person.find<QTableView>("runTable");
  auto* differences = person.find<QTableWidget>("differenceTable");
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 2);
  WAIT_UNTIL_EQUAL(table->model()->index(0, 0).data(Qt::CheckStateRole).toInt(),
                   static_cast<int>(Qt::Checked));
  QVERIFY(!differences->isVisible());
  QCOMPARE(differences->columnCount(), 0);
  table->model()->setData(table->model()->index(1, 0), Qt::Checked, Qt::CheckStateRole);
  WAIT_UNTIL(differences->isVisible());
  QCOMPARE(differences->columnCount(), 3);
  QStringList cells;
  for (int row = 0; row < differences->rowCount(); ++row)
    for (int column = 1; column < 3; ++column) cells << differences->item(row, column)->text();
  QVERIFY2(cells.contains(QStringLiteral("json/train.jsonl")) &&
               cells.contains(QStringLiteral("korean/train.jsonl")),
           qPrintable(cells.join(QLatin1Char(' '))));
  table->model()->setData(table->model()->index(1, 0), Qt::Unchecked, Qt::CheckStateRole);
  WAIT_UNTIL(!differences->isVisible());
}

void TestRunsPage::a_running_run_says_its_newest_step() {
  start_over();
  const QString folder = write_run(QStringLiteral("live"), QStringLiteral("/data/json/train.jsonl"),
                                   RunState::Running, 10);
  add_line(0, 10, 3.5);
  add_line(0, 37, 1.25);
  // The last line is still being written.
  QFile metrics(folder + QStringLiteral("/metrics.jsonl"));
  QVERIFY(metrics.open(QIODevice::Append));
  metrics.write("{\"step\": 99, \"lo");
  metrics.close();
  const std::vector<RunRow> rows =
      read_runs(to_path(desk_.folder.filePath(QStringLiteral("runs"))));
  QCOMPARE(rows.size(), std::size_t(1));
  QVERIFY(rows[0].summary.active);
  RunListModel model;
  model.set_rows(rows);
  QCOMPARE(model.index(0, RunListModel::Steps).data().toString(), QStringLiteral("37/100"));
  QCOMPARE(model.index(0, RunListModel::Loss).data().toString(), QStringLiteral("1.25"));
  // And as the window's own run steps on.
  MetricsLine line;
  line.step = 38;
  line.loss = 1.2;
  QVERIFY(model.show_step(to_path(folder), line));
  QCOMPARE(model.index(0, RunListModel::Steps).data().toString(), QStringLiteral("38/100"));
  QVERIFY(!model.show_step(to_path(folder), line));
  QVERIFY(!model.show_step(to_path(desk_.run(QStringLiteral("another"))), line));
}

void TestRunsPage::choices_outlast_reading_again() {
  start_over();
  for (const char* name : {"a", "bb", "ccc"})
    write_run(QLatin1String(name), QStringLiteral("/data/json/train.jsonl"), RunState::Finished,
              100);
  held_.clear();
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  window.show_page(PageId::Runs);
  static_cast<RunsPage*>(window.page(PageId::Runs))
      ->set_folder(desk_.folder.filePath(QStringLiteral("runs")));
  auto* table = person.find<QTableView>("runTable");
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 3);
  WAIT_UNTIL_EQUAL(table->model()->index(0, 0).data(Qt::CheckStateRole).toInt(),
                   static_cast<int>(Qt::Checked));
  table->model()->setData(table->model()->index(0, 0), Qt::Unchecked, Qt::CheckStateRole);
  table->selectRow(2);
  const QString chosen = cell(table, 2, RunListModel::Name);
  auto* note = person.find<QPlainTextEdit>("runNote");
  note->setPlainText(QStringLiteral("noted"));
  note->moveCursor(QTextCursor::End);
  QSignalSpy again(table->model(), &QAbstractItemModel::modelReset);
  QVERIFY(person.click("reloadRuns"));
  WAIT_UNTIL(again.count() > 0);
  QCOMPARE(cell(table, table->currentIndex().row(), RunListModel::Name), chosen);
  QCOMPARE(note->textCursor().position(), 5);  // no other run was chosen for a moment
  for (int row = 0; row < 3; ++row)
    QCOMPARE(table->model()->index(row, 0).data(Qt::CheckStateRole).toInt(),
             static_cast<int>(Qt::Unchecked));
}

void TestRunsPage::nothing_is_read_under_who_types() {
  start_over();
  write_run(QStringLiteral("live"), QStringLiteral("/data/json/train.jsonl"), RunState::Running,
            10);
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  window.show_page(PageId::Runs);
  auto* page = static_cast<RunsPage*>(window.page(PageId::Runs));
  page->set_folder(desk_.folder.filePath(QStringLiteral("runs")));
  auto* table = person.find<QTableView>("runTable");
  WAIT_UNTIL_EQUAL(table->model()->rowCount(), 1);
  // The list is followed, and sooner than a person would wait for.
  QTimer* follow = nullptr;
  for (QTimer* timer : page->findChildren<QTimer*>(QString(), Qt::FindDirectChildrenOnly))
    if (timer->isActive() && timer->interval() == 5000) follow = timer;
  QVERIFY(follow);
  follow->stop();
  table->setFocus();
  table->setCurrentIndex(table->model()->index(0, RunListModel::Tags));
  QTest::keyClick(table, Qt::Key_F2);
  const QPointer<QLineEdit> editor = table->findChild<QLineEdit*>();
  QVERIFY(editor);
  QSignalSpy again(table->model(), &QAbstractItemModel::modelReset);
  follow->start(20);
  QTest::qWait(300);
  QCOMPARE(again.count(), 0);
  QVERIFY(editor && editor->isVisible());
  QTest::keyClick(editor, Qt::Key_Escape);
  WAIT_UNTIL(again.count() > 0);
}

void TestRunsPage::outcomes_keep_their_order() {
  start_over();
  for (const char* name : {"a", "bb", "ccc"})
    write_run(QLatin1String(name), QStringLiteral("/data/json/train.jsonl"), RunState::Finished,
              100);
  std::vector<RunRow> rows = read_runs(to_path(desk_.folder.filePath(QStringLiteral("runs"))));
  QCOMPARE(rows.size(), std::size_t(3));
  for (RunRow& row : rows) row.ticked = true;
  OutcomesView view;
  view.show_rows(rows);
  auto* table = view.findChild<QTableWidget*>("outcomesTable");
  QCOMPARE(table->rowCount(), 3);
  table->sortByColumn(0, Qt::DescendingOrder);
  table->selectRow(1);
  view.show_rows({rows[2], rows[0], rows[1]});
  for (int row = 0; row < 3; ++row)
    QCOMPARE(table->item(row, 0)->text(), QStringList({"ccc", "bb", "a"})[row]);
  QCOMPARE(table->currentRow(), 1);
}

QTEST_MAIN(TestRunsPage)
#include "test_runs_page.moc"
