// SPDX-License-Identifier: GPL-3.0-or-later
// Runs made of runs, with real ones of the teaching model: a fork from a checkpoint, more steps for
// a finished run, the queue as a person edits it, and a sweep with what came of it.
#include "tests/ui/driver.h"
#include "ui/run_queue.h"
#include "ui/runs/parallel_plot.h"
#include "ui/runs/run_list_model.h"
#include "ui/runs/runs_page.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestForksAndSweeps : public QObject {
  Q_OBJECT

  std::filesystem::path runs() const { return to_path(desk_.folder.filePath("runs")); }
  Workspace& workspace() { return window_->workspace(); }
  Person person() { return Person(*window_); }
  QTableView* table() { return person().find<QTableView>("runTable"); }
  QStringList names() {
    QStringList all;
    for (int row = 0; row < table()->model()->rowCount(); ++row)
      all << table()->model()->index(row, RunListModel::Name).data().toString();
    return all;
  }
  void select(const QString& name) {
    const auto row = static_cast<int>(names().indexOf(name));
    QVERIFY2(row >= 0, qPrintable(names().join(' ')));
    const QRect cell = table()->visualRect(table()->model()->index(row, RunListModel::State));
    QTest::mouseClick(table()->viewport(), Qt::LeftButton, {}, cell.center());
  }
  void show_runs() {
    window_->show_page(PageId::Runs);
    static_cast<RunsPage*>(window_->page(PageId::Runs))->set_folder(path_text(runs()));
    auto* tabs = person().find<QTabBar>("runsTabs");
    QTest::mouseClick(tabs, Qt::LeftButton, {}, tabs->tabRect(0).center());
  }
  template <class T>
  T* in_dialog(const char* dialog, const QString& name) {
    auto* found = window_->findChild<QDialog*>(dialog);
    return found && found->isVisible() ? found->findChild<T*>(name) : nullptr;
  }
  bool ended(const char* run) {
    const auto folder = RunFolder::open(runs() / run);
    const auto manifest = folder ? folder->read_manifest() : Result<RunManifest>(Error());
    return manifest && manifest->state == RunState::Finished && can_launch(workspace().state());
  }

 private slots:
  void initTestCase() {
    recipe_ = teaching_recipe(*teaching_task("korean"), runs() / "first").value();
    recipe_.dataset = {luthier::test::few_rows(desk_, "korean", 12, "few.jsonl").toStdString()};
    recipe_.eval_dataset.clear();
    recipe_.training.max_steps = 4;
    recipe_.training.save_steps = 2;
    recipe_.training.lr_scheduler_type = "constant";
    window_ = std::make_unique<MainWindow>();
    window_->keep_quiet();
    window_->resize(1280, 800);
    window_->show();
    QVERIFY(luthier::test::wait_for_window(window_.get()));
    QVERIFY(workspace().queue().add({{recipe_, "first"}}, "test").ok());
    WAIT_UNTIL(ended("first"));
  }

  void a_fork_begins_with_the_checkpoint_that_was_chosen() {
    show_runs();
    WAIT_UNTIL_EQUAL(names(), QStringList({"first"}));
    select("first");
    QVERIFY(person().choose("runVerbs", "forkRun"));
    auto* step = in_dialog<QComboBox>("forkDialog", "forkStep");
    QVERIFY(step);
    QCOMPARE(step->count(), 2);
    QTest::keyClick(step, Qt::Key_Down);  // from the newest to the one before
    QCOMPARE(step->currentText(), QString("2"));
    auto* rate = in_dialog<QLineEdit>("forkDialog", "forkValue0");
    auto* make = in_dialog<QPushButton>("forkDialog", "forkStart");
    QTest::keyClick(rate, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(rate, "fast");
    QVERIFY(!make->isEnabled());
    QTest::keyClick(rate, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(rate, "1e-3");
    WAIT_UNTIL(make->isEnabled());
    QTest::mouseClick(make, Qt::LeftButton);
    WAIT_UNTIL(ended("first-fork"));
    QCOMPARE(window_->current(), PageId::Train);
    const auto parent = read_run_parent(runs() / "first-fork");
    QVERIFY(parent && parent->step == 2 && parent->carried);
    const std::vector<MetricsLine> lines = RunFolder::open(runs() / "first-fork")->read_metrics();
    QCOMPARE(lines.back().step, std::int64_t(4));
    QCOMPARE(lines.back().learning_rate, 1e-3);
    QCOMPARE(lines.front().learning_rate, recipe_.training.learning_rate);
    show_runs();
    WAIT_UNTIL_EQUAL(names(), QStringList({"first", "↳ first-fork"}));
  }

  void more_steps_for_a_finished_run() {
    show_runs();
    WAIT_UNTIL(names().contains("first"));
    select("first");
    QVERIFY(person().choose("runVerbs", "extendRun"));
    auto* more = in_dialog<QSpinBox>("forkDialog", "moreSteps");
    QVERIFY(more && more->isVisible());
    more->setValue(2);
    auto* note = in_dialog<QLabel>("forkDialog", "forkNote");
    QVERIFY2(note->text().contains("as if that many steps"), qPrintable(note->text()));
    QTest::mouseClick(in_dialog<QPushButton>("forkDialog", "forkMake"), Qt::LeftButton);
    WAIT_UNTIL(names().contains("↳ first-more"));
    QCOMPARE(window_->current(), PageId::Runs);  // made, and not started
    QVERIFY(ended("first"));
    select("↳ first-more");
    QVERIFY(person().click("resumeRun"));
    WAIT_UNTIL(ended("first-more"));
    QCOMPARE(RunFolder::open(runs() / "first-more")->read_manifest()->step, std::int64_t(6));
  }

  void the_queue_is_edited() {
    window_->show_page(PageId::Runs);
    Recipe recipe = recipe_;
    recipe.output_dir = (runs() / "queued").string();
    workspace().replace_recipe(recipe);
    auto* tabs = person().find<QTabBar>("runsTabs");
    QTest::mouseClick(tabs, Qt::LeftButton, {}, tabs->tabRect(1).center());
    auto* list = person().find<QTableWidget>("queueTable");
    workspace().queue().forget_ended("test");
    workspace().queue().hold();
    for (int i = 0; i < 3; ++i) QVERIFY(person().click("queueRecipe"));
    QCOMPARE(list->rowCount(), 3);
    QVERIFY(tabs->tabText(1).contains("3"));
    const auto cell = [&](int row) { return list->visualItemRect(list->item(row, 0)).center(); };
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, cell(2));
    list->setFocus();
    QTest::keyClick(list, Qt::Key_F2);
    auto* editor = list->findChild<QLineEdit*>();
    QVERIFY(editor);
    QTest::keyClick(editor, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(editor, "sooner");
    QTest::keyClick(editor, Qt::Key_Return);
    WAIT_UNTIL(workspace().queue().runs()[2].label == "sooner");
    QVERIFY(person().click("queueUp") && person().click("queueUp"));
    QCOMPARE(list->item(0, 0)->text(), QString("sooner"));
    QVERIFY(person().click("queueDown"));
    QCOMPARE(list->item(1, 0)->text(), QString("sooner"));
    QCOMPARE(list->currentRow(), 1);
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, cell(2));
    QVERIFY(person().click("queueRemove"));
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, cell(0));
    QVERIFY(person().click("queueRemove"));
    QCOMPARE(list->rowCount(), 1);
    QVERIFY(person().click("queueHold"));  // it goes on
    WAIT_UNTIL(workspace().queue().runs().front().state == QueuedRun::State::Ended);
    QCOMPARE(workspace().queue().runs().front().label, QString("sooner"));
    QVERIFY(person().click("queueClear"));
    QCOMPARE(list->rowCount(), 0);
  }

  void a_sweep_and_what_came_of_it() {
    window_->show_page(PageId::Runs);
    Recipe recipe = recipe_;
    recipe.output_dir = (runs() / "rates").string();
    recipe.training.max_steps = 2;
    workspace().replace_recipe(recipe);
    auto* tabs = person().find<QTabBar>("runsTabs");
    QTest::mouseClick(tabs, Qt::LeftButton, {}, tabs->tabRect(1).center());
    QVERIFY(person().click("queueSweep"));
    auto* values = in_dialog<QLineEdit>("sweepDialog", "sweepValue0");
    auto* queue = in_dialog<QPushButton>("sweepDialog", "sweepQueue");
    QVERIFY(values && queue);
    QTest::keyClick(values, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(values, "1e-4, much");
    QVERIFY(!queue->isEnabled());
    QTest::keyClick(values, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(values, "1e-4, 1e-2, 1e-3");
    QVERIFY2(queue->isEnabled() && queue->text().contains("3"), qPrintable(queue->text()));
    QTest::mouseClick(queue, Qt::LeftButton);
    WAIT_UNTIL(ended("rates-1") && ended("rates-2") && ended("rates-3"));
    for (const char* run : {"rates-1", "rates-2", "rates-3"})
      WAIT_UNTIL(read_run_notes(runs() / run)->tags == std::vector<std::string>{"sweep rates"});
    show_runs();
    QTest::mouseClick(tabs, Qt::LeftButton, {}, tabs->tabRect(2).center());
    auto* outcomes = person().find<QTableWidget>("outcomesTable");
    WAIT_UNTIL_EQUAL(outcomes->rowCount(), 3);
    QCOMPARE(person().find<QComboBox>("outcomesOf")->currentText(), QString("sweep rates"));
    QCOMPARE(outcomes->horizontalHeaderItem(1)->text(), QString("Learning rate"));
    // Best first, and the same run stands out in the plot.
    const auto loss = [&](int row) {
      return outcomes->item(row, outcomes->columnCount() - 1)->text().toDouble();
    };
    QVERIFY(loss(0) <= loss(1) && loss(1) <= loss(2));
    auto* plot = person().find<ParallelPlot>("parallelPlot");
    QSignalSpy chosen(plot, &ParallelPlot::chosen);
    const QPointF from = plot->point_of(1, 0), to = plot->point_of(1, 1);
    QTest::mouseClick(plot, Qt::LeftButton, {}, (0.9 * from + 0.1 * to).toPoint());
    QCOMPARE(chosen.count(), 1);
    QVERIFY(outcomes->currentRow() >= 0);
  }

 private:
  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  Recipe recipe_;
};

QTEST_MAIN(TestForksAndSweeps)
#include "test_forks_and_sweeps.moc"
