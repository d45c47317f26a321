// SPDX-License-Identifier: GPL-3.0-or-later
// The first minutes at the desk: the Start page's tasks, lists and words, and the guided tour with
// a real run, by mouse and keyboard.
#include "tests/ui/driver.h"
#include "ui/tour/tour.h"
#include "ui/tour/tour_bubble.h"
#include "ui/widgets/banner.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestFirstMinutes : public QObject {
  Q_OBJECT

 private slots:
  void init();
  void cleanup();
  void a_machine_without_a_card_says_what_that_means();
  void a_task_is_set_up();
  void a_task_trains_at_one_click();
  void what_was_in_hand_is_there_again();
  void the_tour_goes_along_a_run();
  void the_tour_can_be_left_at_any_step();

 private:
  void stop_run();
  QString step() const { return window_->tour() ? window_->tour()->step() : QString(); }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestFirstMinutes::init() {
  QSettings().clear();
  // Runs go where the program was started.
  QVERIFY(QDir(desk_.folder.path()).mkpath("cwd") &&
          QDir::setCurrent(desk_.folder.filePath("cwd")));
  window_ = std::make_unique<MainWindow>();
  window_->keep_quiet();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  QVERIFY(person_->click("rail_start"));
  QCOMPARE(window_->current(), PageId::Start);
}

void TestFirstMinutes::cleanup() {
  person_.reset();
  window_.reset();
  QDir::setCurrent(QDir::rootPath());
}

void TestFirstMinutes::stop_run() {
  window_->workspace().session().stop(StopKind::Save);
  WAIT_UNTIL(window_->workspace().run()->ended && can_launch(person_->state()));
}

void TestFirstMinutes::a_machine_without_a_card_says_what_that_means() {
  auto* label = person_->find<QLabel>("machineLabel");
  WAIT_UNTIL(!label->text().startsWith("Looking"));
  if (!QFile::exists(QStringLiteral("/dev/nvidiactl")))
    QVERIFY2(label->text().contains("no GPU here that Luthier can use"), qPrintable(label->text()));
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  Language::instance().choose(QStringLiteral("ko"));
  WAIT_UNTIL(label->text().contains(QStringLiteral("이 컴퓨터는")));
  QCOMPARE(person_->find<QPushButton>("trainTask_json")->accessibleName(),
           QStringLiteral("바로 학습: JSON으로 답하기"));
}

void TestFirstMinutes::a_task_is_set_up() {
  QVERIFY(person_->click("setUpTask_pirate"));
  QCOMPARE(window_->current(), PageId::Train);
  Workspace& workspace = window_->workspace();
  WAIT_UNTIL(workspace.model().has_value());
  QCOMPARE(workspace.recipe().output_dir, std::string("runs/pirate"));
  QVERIFY(QString::fromStdString(workspace.recipe().dataset.front()).contains("pirate"));
  QVERIFY(!workspace.run());  // it waits
}

void TestFirstMinutes::a_task_trains_at_one_click() {
  QVERIFY(person_->click("trainTask_json"));
  Workspace& workspace = window_->workspace();
  WAIT_UNTIL(workspace.run() && !workspace.run()->lines.empty());
  QCOMPARE(window_->current(), PageId::Train);
  // Nothing that would need the model is offered meanwhile.
  QVERIFY(person_->click("rail_start"));
  QVERIFY(!person_->find<QPushButton>("trainTask_korean")->isEnabled());
  QVERIFY(!person_->find<QPushButton>("startOpenModel")->isEnabled());
  stop_run();
  WAIT_UNTIL(person_->find<QPushButton>("trainTask_korean")->isEnabled());
  // The run stands in the list and can be gone on with from there.
  WAIT_UNTIL(window_->findChild<QPushButton*>("recentRuns_0_resume"));
  const auto before = workspace.run()->lines.size();
  QVERIFY(before > 0);
  QVERIFY(person_->click("recentRuns_0_resume"));
  QCOMPARE(window_->current(), PageId::Train);
  WAIT_UNTIL(workspace.run() && !workspace.run()->ended && workspace.run()->started.first_step > 0);
  stop_run();
  QVERIFY(person_->click("rail_start"));
  WAIT_UNTIL(window_->findChild<QWidget*>("recentRuns_0"));
  QVERIFY(person_->click("recentRuns_0"));
  QCOMPARE(window_->current(), PageId::Runs);
  WAIT_UNTIL(person_->find<QTableView>("runTable")->model()->rowCount() == 1);
}

void TestFirstMinutes::what_was_in_hand_is_there_again() {
  Workspace& workspace = window_->workspace();
  QVERIFY(!window_->findChild<QWidget*>("recentModels_0"));
  window_->show_page(PageId::Model);
  QVERIFY(luthier::test::load_teaching(*window_, *person_));
  const QString file = desk_.folder.filePath("first.yaml");
  QVERIFY(workspace.set_field("adapter.r", "24").ok());
  QVERIFY(workspace.save_recipe(file).ok());
  QVERIFY(workspace.set_field("adapter.r", "8").ok());
  QVERIFY(person_->click("rail_start"));
  auto* model = person_->find<QAbstractButton>("recentModels_0");
  QCOMPARE(model->accessibleName(), QStringLiteral("teaching-base"));
  model->setFocus();
  QTest::keyClick(model, Qt::Key_Space);
  QCOMPARE(window_->current(), PageId::Model);
  WAIT_UNTIL(workspace.model().has_value() && person_->state() == SessionState::Ready);
  QVERIFY(person_->click("rail_start"));
  QVERIFY(person_->click("recentRecipes_0"));
  QCOMPARE(window_->current(), PageId::Train);
  QCOMPARE(workspace.recipe().adapter.r, 24);
  // What is no longer there is not offered; what cannot be read is said.
  WAIT_UNTIL(person_->state() == SessionState::Ready);
  QFile broken(file);
  QVERIFY(broken.open(QIODevice::WriteOnly));
  broken.write("adapter: [");
  broken.close();
  QVERIFY(person_->click("rail_start"));
  QVERIFY(person_->click("recentRecipes_0"));
  QCOMPARE(window_->current(), PageId::Start);
  auto* banner = window_->page(PageId::Start)->findChild<Banner*>("banner");
  QVERIFY(banner->isVisible());
  QVERIFY(QFile::remove(file));
  window_->show_page(PageId::Train);
  QVERIFY(person_->click("rail_start"));
  QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
  QVERIFY(!window_->findChild<QWidget*>("recentRecipes_0"));
}

void TestFirstMinutes::the_tour_goes_along_a_run() {
  Workspace& workspace = window_->workspace();
  QVERIFY(person_->click("startTour"));
  QCOMPARE(step(), QStringLiteral("welcome"));
  TourBubble* bubble = window_->tour()->bubble();
  QVERIFY(bubble->isVisible());
  QVERIFY(person_->click("tourNext"));
  QCOMPARE(step(), QStringLiteral("settings"));
  QCOMPARE(window_->current(), PageId::Train);
  WAIT_UNTIL(workspace.model().has_value());
  // What is explained can be used: a shorter run than the task's.
  person_->type("field_training_max_steps", "6");
  QVERIFY(person_->click("tourNext"));
  QCOMPARE(step(), QStringLiteral("forecast"));
  WAIT_UNTIL(bubble->text().contains("This one takes"));
  QVERIFY(person_->click("tourBack"));
  QCOMPARE(step(), QStringLiteral("settings"));
  QVERIFY(person_->click("tourNext"));
  QVERIFY(person_->click("tourNext"));
  QCOMPARE(step(), QStringLiteral("launch"));
  QVERIFY(!bubble->geometry().intersects(
      QRect(bubble->about()->mapTo(bubble->parentWidget(), QPoint()), bubble->about()->size())));
  auto* next = person_->find<QPushButton>("tourNext");
  WAIT_UNTIL(next->isEnabled());
  QTest::keyClick(window_.get(), Qt::Key_F5);  // as good as the bubble's own button
  WAIT_UNTIL_EQUAL(step(), QStringLiteral("loss"));
  // Each curve is explained with the figures that it shows.
  WAIT_UNTIL(bubble->text().contains("It began at"));
  WAIT_UNTIL(workspace.run()->ended);
  const double loss = workspace.run()->lines.back().loss;
  QVERIFY2(bubble->text().contains(number_text(loss, 3)), qPrintable(bubble->text()));
  for (const char* name : {"memory", "rate", "norm", "speed", "ending"}) {
    QVERIFY(person_->click("tourNext"));
    QCOMPARE(step(), QString::fromLatin1(name));
    QVERIFY2(bubble->about() && bubble->about()->isVisible(), name);
    QVERIFY(bubble->parentWidget()->rect().contains(bubble->geometry()));
  }
  WAIT_UNTIL(next->isEnabled());
  QVERIFY(bubble->text().contains("runs/korean"));
  QVERIFY(person_->click("tourNext"));
  QCOMPARE(step(), QStringLiteral("compare"));
  QCOMPARE(window_->current(), PageId::Compare);
  WAIT_UNTIL_EQUAL(workspace.adapters().size(), std::size_t(1));
  QVERIFY(person_->click("tourNext"));
  QVERIFY(step().isEmpty());
  QVERIFY(!bubble->isVisible());
}

void TestFirstMinutes::the_tour_can_be_left_at_any_step() {
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  QVERIFY(person_->choose("helpButton", "ask_tour"));
  QVERIFY(person_->click("tourNext"));
  Language::instance().choose(QStringLiteral("ko"));
  WAIT_UNTIL_EQUAL(person_->find<QPushButton>("tourBack")->text(), QStringLiteral("뒤로"));
  QVERIFY(window_->tour()->bubble()->text().contains(QStringLiteral("F1")));
  QTest::keyClick(person_->find<QPushButton>("tourNext"), Qt::Key_Escape);
  QVERIFY(step().isEmpty());
  QVERIFY(!window_->tour()->bubble()->isVisible());
  WAIT_UNTIL(window_->workspace().model().has_value());
}

QTEST_MAIN(TestFirstMinutes)
#include "test_first_minutes.moc"
