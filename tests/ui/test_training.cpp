// SPDX-License-Identifier: GPL-3.0-or-later
// A run as a person has it: fill the form, launch, pause, ask, change the rate, go on, stop and
// save; then the same folder again, and Runs and Compare with what came of it.
#include "engine/runs/run_folder.h"
#include "tests/ui/driver.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestTraining : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void launch_pause_ask_resume_stop();
  void a_stopped_run_goes_on_with_its_past();
  void a_finished_folder_is_not_overwritten();
  void keyboard_alone_launches();
  void compare_and_runs();
  void cleanupTestCase();

 private:
  void fill_form(const QString& run, const QString& steps);
  bool wait_state(SessionState state);

  Desk desk_;
  QString rows_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestTraining::initTestCase() {
  rows_ = luthier::test::few_rows(desk_, "korean", 24, QStringLiteral("train.jsonl"));
  QVERIFY(!rows_.isEmpty());
  window_ = std::make_unique<MainWindow>();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
}

bool TestTraining::wait_state(SessionState state) {
  return luthier::test::wait_for([&] { return person_->state() == state; });
}

void TestTraining::fill_form(const QString& run, const QString& steps) {
  QTest::keyClick(window_.get(), Qt::Key_3, Qt::ControlModifier);
  person_->type("field_dataset", rows_);
  person_->type("field_output_dir", desk_.run(run));
  person_->type("field_training_max_steps", steps);
  person_->type("field_training_gradient_accumulation_steps", "1");
  QCOMPARE(window_->workspace().recipe().dataset.size(), std::size_t(1));
  QCOMPARE(window_->workspace().recipe().training.max_steps, steps.toLongLong());
}

void TestTraining::launch_pause_ask_resume_stop() {
  fill_form("first", "100000");
  WAIT_UNTIL(window_->workspace().forecast().has_value());
  QVERIFY(person_->text("forecastTotal").contains(QStringLiteral("iB")));
  // A value out of range is refused under its field, in words, and changes nothing.
  person_->type("field_adapter_r", "-3");
  QVERIFY(person_->find<QLabel>("field_adapter_r_error")->isVisible());
  QCOMPARE(window_->workspace().recipe().adapter.r, std::int64_t(16));
  person_->type("field_adapter_r", "4");
  QVERIFY(!person_->find<QLabel>("field_adapter_r_error")->isVisible());

  QVERIFY(person_->click("launchButton"));
  QVERIFY(wait_state(SessionState::Training));
  WAIT_UNTIL(window_->workspace().run() && window_->workspace().run()->lines.size() >= 3);
  QVERIFY(!person_->find<QPushButton>("launchButton")->isEnabled());
  QVERIFY(person_->find<QLineEdit>("field_adapter_r")->isReadOnly());
  WAIT_UNTIL(
      person_->find<QPlainTextEdit>("stepLog")->toPlainText().contains(QStringLiteral("loss")));

  QVERIFY(person_->click("mainButton"));
  QVERIFY(wait_state(SessionState::Paused));
  const auto stood = window_->workspace().run()->lines.back().step;
  QTest::qWait(400);
  QCOMPARE(window_->workspace().run()->lines.back().step, stood);

  auto* tabs = person_->find<QTabWidget>("runTabs");
  QTest::mouseClick(tabs->tabBar(), Qt::LeftButton, {}, tabs->tabBar()->tabRect(2).center());
  QVERIFY(person_->click("askTakeRow"));
  WAIT_UNTIL(!person_->find<QLineEdit>("askQuestion")->text().isEmpty());
  QVERIFY(person_->click("askButton"));
  auto* answers = person_->find<QTextBrowser>("askAnswers");
  WAIT_UNTIL(answers->toPlainText().contains(QStringLiteral("in training")) &&
             !answers->toPlainText().contains(QStringLiteral("…")));

  person_->type("liveRate", "1e-5");
  QVERIFY(person_->click("mainButton"));
  QVERIFY(wait_state(SessionState::Training));
  WAIT_UNTIL(window_->workspace().run()->lines.back().step > stood);
  // The rate that was typed is the one that the run goes by: the log says it happened.
  const auto happened = [&](const char* kind) {
    const auto& events = window_->workspace().run()->events;
    return std::any_of(events.begin(), events.end(),
                       [&](const RunEvent& event) { return event.kind == kind; });
  };
  WAIT_UNTIL(happened("learning_rate") && happened("paused"));

  // The stop question: going on leaves the run alone, stop and save ends it with its adapter.
  QVERIFY(person_->click("stopButton"));
  auto* question = window_->findChild<QDialog*>("stopQuestion");
  WAIT_UNTIL(question && question->isVisible());
  QTest::mouseClick(question->findChild<QPushButton*>("stopContinue"), Qt::LeftButton);
  QTest::qWait(200);
  QCOMPARE(person_->state(), SessionState::Training);
  QVERIFY(person_->click("stopButton"));
  WAIT_UNTIL((question = window_->findChild<QDialog*>("stopQuestion")) && question->isVisible());
  QTest::mouseClick(question->findChild<QPushButton*>("stopSave"), Qt::LeftButton);
  QVERIFY(wait_state(SessionState::Ready));
  const auto run = summarize_run(to_path(desk_.run("first")));
  QVERIFY(run.ok());
  QCOMPARE(run->manifest.state, RunState::Stopped);
  QVERIFY(run->newest_checkpoint.has_value());
  QVERIFY(run->has_adapter);
}

void TestTraining::a_stopped_run_goes_on_with_its_past() {
  // The same folder again: the run there is offered, and nothing moved for saying so.
  const std::size_t before = window_->workspace().run()->lines.size();
  QVERIFY(person_->click("launchButton"));
  auto* action = window_->page(PageId::Train)->findChild<QPushButton*>("bannerAction");
  WAIT_UNTIL(action->isVisible());
  QCOMPARE(action->text(), QStringLiteral("Resume that run"));
  QVERIFY(wait_state(SessionState::Ready));
  QTest::mouseClick(action, Qt::LeftButton);
  QVERIFY(wait_state(SessionState::Training));
  const auto& run = window_->workspace().run();
  WAIT_UNTIL(run->started.first_step > 0 && run->lines.size() > before);
  for (std::size_t i = 0; i < run->lines.size(); ++i)
    QCOMPARE(run->lines[i].step, static_cast<std::int64_t>(i) + 1);
  const auto has = [&](const char* kind) {
    return std::any_of(run->events.begin(), run->events.end(),
                       [&](const RunEvent& e) { return e.kind == kind; });
  };
  QVERIFY(has("started") && has("paused") && has("stopped") && has("resumed"));
  // The rate in force is the one that was set by hand, and not the recipe's.
  QCOMPARE(window_->workspace().recipe().training.learning_rate, 2e-4);
  QCOMPARE(person_->find<QLineEdit>("liveRate")->text().toDouble(), 1e-5);
  QVERIFY(!person_->find<QPushButton>("applyRate")->isEnabled());
  // Enter in the stop question keeps the work.
  QVERIFY(person_->click("stopButton"));
  QDialog* question = nullptr;
  WAIT_UNTIL((question = window_->findChild<QDialog*>("stopQuestion")) && question->isVisible());
  QTest::keyClick(question->focusWidget(), Qt::Key_Return);
  QVERIFY(wait_state(SessionState::Ready));
  QVERIFY(summarize_run(to_path(desk_.run("first")))->has_adapter);
}

void TestTraining::a_finished_folder_is_not_overwritten() {
  fill_form("short", "2");
  QVERIFY(person_->click("launchButton"));
  WAIT_UNTIL(window_->workspace().run() && window_->workspace().run()->started.total_steps == 2 &&
             window_->workspace().run()->ended);
  QVERIFY(wait_state(SessionState::Ready));
  QVERIFY(person_->click("launchButton"));
  QWidget* page = window_->page(PageId::Train);
  auto* action = page->findChild<QPushButton*>("bannerAction");
  WAIT_UNTIL(action->isVisible() && action->text().contains(QStringLiteral("short-2")));
  QVERIFY(wait_state(SessionState::Ready));
  QTest::mouseClick(action, Qt::LeftButton);
  WAIT_UNTIL(QFileInfo::exists(desk_.run("short-2") + "/adapter/adapter_config.json"));
  QVERIFY(wait_state(SessionState::Ready));
}

void TestTraining::keyboard_alone_launches() {
  fill_form("keys", "2");
  // Tab by Tab from the first field on: the launch button is reached, and Space presses it.
  QApplication::setActiveWindow(window_.get());
  auto* field = person_->find<QLineEdit>("field_output_dir");
  field->setFocus();
  auto* launch = person_->find<QPushButton>("launchButton");
  int presses = 0;
  while (window_->focusWidget() != launch && presses++ < 150)
    QTest::keyClick(window_->focusWidget(), Qt::Key_Tab);
  QCOMPARE(window_->focusWidget(), launch);
  QTest::keyClick(launch, Qt::Key_Space);
  WAIT_UNTIL(QFileInfo::exists(desk_.run("keys") + "/adapter/adapter_config.json"));
  QVERIFY(wait_state(SessionState::Ready));
}

void TestTraining::compare_and_runs() {
  QTest::keyClick(window_.get(), Qt::Key_5, Qt::ControlModifier);
  person_->type("runsFolder", desk_.folder.filePath("runs"));
  auto* table = person_->find<QTableView>("runTable");
  WAIT_UNTIL(table->model()->rowCount() >= 3);
  // Tick every run by a click on its box.
  for (int row = 0; row < table->model()->rowCount(); ++row) {
    const QModelIndex index = table->model()->index(row, 0);
    if (index.data(Qt::CheckStateRole).toInt() == Qt::Checked) continue;
    QTest::mouseClick(
        table->viewport(), Qt::LeftButton, {},
        table->visualRect(index).topLeft() + QPoint(10, table->visualRect(index).height() / 2));
    QCOMPARE(index.data(Qt::CheckStateRole).toInt(), int(Qt::Checked));
  }
  WAIT_UNTIL(person_->find<QTableWidget>("differenceTable")->rowCount() > 0);
  QVERIFY(person_->click("compareRuns"));
  QCOMPARE(window_->current(), PageId::Compare);
  WAIT_UNTIL(window_->workspace().adapters().size() >= 3);

  // Samples: the evaluation data named in the recipe is taken on the page's first visit.
  QTest::keyClick(window_.get(), Qt::Key_3, Qt::ControlModifier);
  person_->type("field_eval_dataset", rows_);
  QTest::keyClick(window_.get(), Qt::Key_4, Qt::ControlModifier);
  auto* run_all = person_->find<QPushButton>("runAll");
  WAIT_UNTIL(run_all->isVisible() && run_all->isEnabled());
  QVERIFY(person_->click("runAll"));
  auto* score = [&] { return window_->findChild<QLabel*>("score_1"); }();
  QVERIFY(score);
  WAIT_UNTIL(run_all->isVisible() &&
             window_->findChild<QLabel*>("score_1")->text().contains(QStringLiteral("of 8")));

  // A click on a column's name makes it the reference; the cross drops an adapter while the page is
  // open.
  const std::string last = window_->workspace().adapters().back().name;
  const QString name = QString::fromStdString(last);
  QVERIFY(person_->click("reference_" + name));
  WAIT_UNTIL(window_->findChild<QWidget*>("head_" + name)
                 ->findChildren<QLabel*>()
                 .first()
                 ->text()
                 .startsWith(QStringLiteral("reference")));
  const std::size_t before = window_->workspace().adapters().size();
  QVERIFY(person_->click("drop_" + name));
  WAIT_UNTIL_EQUAL(window_->workspace().adapters().size(), before - 1);
  QVERIFY(!window_->findChild<QToolButton*>("drop_" + name) ||
          !window_->findChild<QToolButton*>("drop_" + name)->isVisible());
}

void TestTraining::cleanupTestCase() {
  person_.reset();
  window_.reset();
}

QTEST_MAIN(TestTraining)
#include "test_training.moc"
