// SPDX-License-Identifier: GPL-3.0-or-later
// Work that must not be lost or hidden: the stop question, the interrupted run that is offered at
// the start, what a resumed run did before, and what the mouse reads out of its curves.
#include "engine/runs/run_folder.h"
#include "tests/ui/driver.h"
#include "ui/run_series.h"
#include "ui/stop_question.h"
#include "ui/train/run_curves.h"
#include "ui/widgets/banner.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

namespace {

MetricsLine line_at(std::int64_t step) {
  MetricsLine line;
  line.step = step;
  line.epoch = static_cast<double>(step) / 100;
  line.loss = 4.0 / static_cast<double>(step);
  line.learning_rate = 1e-4;
  line.memory.weights = 10 << 20;
  line.memory.allocated = line.memory.peak = 12 << 20;
  return line;
}

RunEvent event_at(std::int64_t step, const std::string& kind, const std::string& detail,
                  int second) {
  return {
      step,
      "2026-01-31T12:00:" + std::string(second < 10 ? "0" : "") + std::to_string(second) + ".000Z",
      kind, detail};
}

/// A run as a killed process leaves it: metrics and events, a whole checkpoint, and "running" in
/// run.json.
Status make_run(const QString& folder, std::int64_t steps, std::int64_t saved, RunState state,
                const std::string& last_word = {}) {
  Recipe recipe = default_recipe(Recipe());
  recipe.model = teaching_base()->string();
  recipe.dataset = {"rows.jsonl"};
  recipe.output_dir = folder.toStdString();
  LUTHIER_TRY(RunFolder run, RunFolder::create(to_path(folder), recipe_to_yaml(recipe)));
  LUTHIER_CHECK(run.append_event(event_at(0, "started", "100 steps, 10 rows", 0)));
  for (std::int64_t step = 1; step <= steps; ++step) {
    MetricsLine line = line_at(step);
    if (step == 10) line.eval_loss = 0.75;
    LUTHIER_CHECK(run.append_metrics(line));
  }
  LUTHIER_CHECK(run.append_event(event_at(5, "learning_rate", "from 0.0002 to 0.0005", 5)));
  if (saved > 0) {
    LUTHIER_TRY(FolderWriter writer, run.begin_checkpoint(saved));
    LUTHIER_CHECK(write_file_atomically(writer.path() / "state.json", "{}"));
    LUTHIER_CHECK(writer.commit());
  }
  if (!last_word.empty()) LUTHIER_CHECK(run.append_event(event_at(steps, "stopped", last_word, 9)));
  RunManifest manifest;
  manifest.state = state;
  manifest.step = steps;
  manifest.total_steps = 100;
  manifest.started = utc_now();
  return run.write_manifest(manifest);
}

}  // namespace

class TestInterrupted : public QObject {
  Q_OBJECT

 private slots:
  void enter_saves_and_escape_goes_on();
  void discarding_asks_again();
  void closing_asks_once_and_saves();
  void the_question_goes_with_the_run();
  void a_loading_model_can_be_given_up();
  void an_interrupted_run_is_offered_data();
  void an_interrupted_run_is_offered();
  void not_now_is_remembered();
  void a_driven_window_offers_nothing();
  void a_resumed_run_shows_what_was_before();
  void the_mouse_names_step_and_values();
  void the_first_window_fits_its_screen();

 private:
  Desk desk_;
};

void TestInterrupted::enter_saves_and_escape_goes_on() {
  QWidget parent;
  parent.show();
  auto* question = new StopQuestion(&parent);
  QSignalSpy decided(question, &StopQuestion::decided);
  question->open();
  WAIT_UNTIL(question->isVisible());
  QCOMPARE(question->focusWidget()->objectName(), QStringLiteral("stopSave"));
  QTest::keyClick(question->focusWidget(), Qt::Key_Return);
  QCOMPARE(decided.size(), 1);
  QCOMPARE(decided[0][0].value<StopKind>(), StopKind::Save);

  question = new StopQuestion(&parent);
  QSignalSpy second(question, &StopQuestion::decided), left(question, &QDialog::rejected);
  question->open();
  WAIT_UNTIL(question->isVisible());
  QTest::keyClick(question, Qt::Key_Escape);
  QCOMPARE(second.size(), 0);
  QCOMPARE(left.size(), 1);
}

void TestInterrupted::discarding_asks_again() {
  QWidget parent;
  parent.show();
  auto* question = new StopQuestion(&parent);
  QSignalSpy decided(question, &StopQuestion::decided);
  question->open();
  WAIT_UNTIL(question->isVisible());
  const auto button = [&](const char* name) {
    return question->findChild<QPushButton*>(QLatin1String(name));
  };
  // From every button Enter keeps the run, also from the one that throws it away.
  button("stopDiscard")->setFocus();
  QTest::keyClick(button("stopDiscard"), Qt::Key_Space);
  QCOMPARE(decided.size(), 0);
  QVERIFY(question->isVisible());
  QVERIFY(button("stopReallyDiscard")->isVisible() && !button("stopSave")->isVisible());
  QCOMPARE(question->focusWidget(), button("stopBack"));
  QTest::keyClick(question->focusWidget(), Qt::Key_Return);
  QCOMPARE(decided.size(), 0);
  QCOMPARE(question->focusWidget(), button("stopSave"));
  QTest::mouseClick(button("stopDiscard"), Qt::LeftButton);
  QTest::mouseClick(button("stopReallyDiscard"), Qt::LeftButton);
  QCOMPARE(decided.size(), 1);
  QCOMPARE(decided[0][0].value<StopKind>(), StopKind::Discard);
}

void TestInterrupted::closing_asks_once_and_saves() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  SessionBridge& bridge = window.workspace().bridge();
  RunStarted started{};
  started.folder = to_path(desk_.run("closing"));
  started.total_steps = 10;
  emit bridge.run_started(started);
  bridge.announce(StateChanged{SessionState::Training, {}});
  window.close();
  QVERIFY(window.isVisible());
  WAIT_UNTIL_EQUAL(window.findChildren<StopQuestion*>().size(), 1);
  window.close();
  QCOMPARE(window.findChildren<StopQuestion*>().size(), 1);
  auto* question = window.findChild<StopQuestion*>();
  QCOMPARE(question->focusWidget()->objectName(), QStringLiteral("stopSave"));
  QTest::keyClick(question, Qt::Key_Escape);
  QVERIFY(window.isVisible());
  // Going on was chosen: the run's own end closes nothing.
  RunEnded ended{};
  ended.folder = started.folder;
  ended.state = "finished";
  emit bridge.run_ended(ended);
  QTest::qWait(50);
  QVERIFY(window.isVisible());
  // Saved, and then closed; but not over an error that would go unread.
  for (const bool fails : {true, false}) {
    emit bridge.run_started(started);
    bridge.announce(StateChanged{SessionState::Training, {}});
    window.close();
    WAIT_UNTIL(window.findChild<StopQuestion*>() && window.findChild<StopQuestion*>()->isVisible());
    QTest::keyClick(window.findChild<StopQuestion*>()->focusWidget(), Qt::Key_Return);
    bridge.announce(StateChanged{SessionState::Ready, {}});
    ended.state = fails ? "failed" : "stopped";
    if (fails)
      ended.error = machine_error("The disk is full.", "somewhere");
    else
      ended.error.reset();
    emit bridge.run_ended(ended);
    WAIT_UNTIL_EQUAL(window.isVisible(), fails);
  }
}

void TestInterrupted::the_question_goes_with_the_run() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  SessionBridge& bridge = window.workspace().bridge();
  bridge.announce(StateChanged{SessionState::Training, {}});
  auto* stop = window.findChild<QPushButton*>("stopButton");
  WAIT_UNTIL(stop->isEnabled());
  QTest::mouseClick(stop, Qt::LeftButton);
  WAIT_UNTIL(window.findChild<StopQuestion*>() && window.findChild<StopQuestion*>()->isVisible());
  bridge.announce(StateChanged{SessionState::Ready, {}});
  WAIT_UNTIL(!window.findChild<StopQuestion*>() || !window.findChild<StopQuestion*>()->isVisible());
}

void TestInterrupted::a_loading_model_can_be_given_up() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  SessionBridge& bridge = window.workspace().bridge();
  auto* cancel = window.findChild<QPushButton*>("cancelLoading");
  QVERIFY(!cancel->isVisible());
  bridge.announce(StateChanged{SessionState::Loading, {}});
  QVERIFY(cancel->isVisible() && cancel->isEnabled());
  // The session, which loads nothing here, is asked: it answers that there is nothing to cancel.
  QSignalSpy refused(&bridge, &SessionBridge::command_failed);
  QTest::mouseClick(cancel, Qt::LeftButton);
  WAIT_UNTIL_EQUAL(refused.size(), 1);
  QCOMPARE(refused[0][0].value<CommandFailed>().command, std::string("cancel_loading"));
  bridge.announce(StateChanged{SessionState::Ready, {}});
  QVERIFY(!cancel->isVisible());
}

void TestInterrupted::an_interrupted_run_is_offered_data() {
  QTest::addColumn<RunState>("state");
  QTest::addColumn<int>("saved");
  QTest::addColumn<QString>("last_word");
  QTest::addColumn<bool>("offered");
  QTest::newRow("killed") << RunState::Running << 20 << QString() << true;
  QTest::newRow("killed while paused") << RunState::Paused << 20 << QString() << true;
  QTest::newRow("stopped and saved") << RunState::Stopped << 30 << QStringLiteral("saved") << true;
  QTest::newRow("thrown away") << RunState::Stopped << 20 << QStringLiteral("not saved") << false;
  QTest::newRow("nothing saved") << RunState::Running << 0 << QString() << false;
  QTest::newRow("finished") << RunState::Finished << 30 << QString() << false;
}

void TestInterrupted::an_interrupted_run_is_offered() {
  QFETCH(RunState, state);
  QFETCH(int, saved);
  QFETCH(QString, last_word);
  QFETCH(bool, offered);
  QTemporaryDir runs;
  QSettings().setValue("run_folders", QStringList{runs.path()});
  const auto clean = qScopeGuard([] { QSettings().remove("run_folders"); });
  QVERIFY(make_run(runs.filePath("night"), 30, saved, state, last_word.toStdString()).ok());
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  auto* offer = window.findChild<Banner*>("interruptedOffer");
  QVERIFY(offer);
  if (!offered) {
    QTest::qWait(600);
    QVERIFY(!offer->isVisible());
    return;
  }
  WAIT_UNTIL(offer->isVisible());
  QVERIFY2(offer->text().contains(QStringLiteral("night")) &&
               offer->text().contains(QString::number(saved)),
           qPrintable(offer->text()));
  QVERIFY(!QApplication::activeModalWidget());
  // Its rows are not there: resuming says so on the Train page, and the recipe is the run's.
  QTest::mouseClick(offer->findChild<QPushButton*>("bannerAction"), Qt::LeftButton);
  QCOMPARE(window.current(), PageId::Train);
  QVERIFY(!offer->isVisible());
  QCOMPARE(window.workspace().recipe().output_dir, runs.filePath("night").toStdString());
  QVERIFY(window.workspace().recipe_file().isEmpty());
  WAIT_UNTIL(window.page(PageId::Train)->findChild<Banner*>("banner")->isVisible());
}

void TestInterrupted::not_now_is_remembered() {
  QTemporaryDir runs;
  QSettings().setValue("run_folders", QStringList{runs.path()});
  const auto clean = qScopeGuard([] { QSettings().remove("run_folders"); });
  QVERIFY(make_run(runs.filePath("first"), 30, 20, RunState::Running).ok());
  for (const bool asked : {true, false}) {
    MainWindow window;
    window.show();
    QVERIFY(luthier::test::wait_for_window(&window));
    auto* offer = window.findChild<Banner*>("interruptedOffer");
    if (!asked) {
      QTest::qWait(600);
      QVERIFY(!offer->isVisible());
      break;
    }
    WAIT_UNTIL(offer->isVisible());
    QTest::mouseClick(offer->findChild<QPushButton*>("bannerAction2"), Qt::LeftButton);
    QVERIFY(!offer->isVisible());
  }
}

void TestInterrupted::a_driven_window_offers_nothing() {
  QTemporaryDir runs;
  QSettings().setValue("run_folders", QStringList{runs.path()});
  const auto clean = qScopeGuard([] { QSettings().remove("run_folders"); });
  QVERIFY(make_run(runs.filePath("first"), 30, 20, RunState::Running).ok());
  MainWindow window;
  window.keep_quiet();
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  QTest::qWait(600);
  QVERIFY(!window.findChild<Banner*>("interruptedOffer")->isVisible());
}

void TestInterrupted::a_resumed_run_shows_what_was_before() {
  const QString folder = desk_.run("resumed");
  QVERIFY(QDir().mkpath(desk_.run(QString())));
  QVERIFY(make_run(folder, 30, 20, RunState::Running).ok());
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  window.show_page(PageId::Train);
  Person person(window);
  SessionBridge& bridge = window.workspace().bridge();
  RunStarted started{};
  started.folder = to_path(folder);
  started.recipe = default_recipe(Recipe());
  started.first_step = 20;
  started.total_steps = 100;
  started.steps_per_epoch = 100;
  started.learning_rate = 5e-4;
  emit bridge.run_started(started);
  const RunEvent resumed = event_at(20, "resumed", "100 steps, 10 rows", 30);
  emit bridge.run_event(resumed);
  StepDone step{};
  step.line = line_at(21);
  emit bridge.step_done(step);
  const auto& run = window.workspace().run();
  WAIT_UNTIL_EQUAL(run->lines.size(), std::size_t(21));
  // In order, each once: 20 from before (what came after the checkpoint was dropped), one since.
  for (std::size_t i = 0; i < run->lines.size(); ++i)
    QCOMPARE(run->lines[i].step, static_cast<std::int64_t>(i) + 1);
  QCOMPARE(run->evaluations.size(), std::size_t(1));
  QCOMPARE(run->evaluations[0], std::make_pair(std::int64_t(10), 0.75));
  auto* curves = window.page(PageId::Train)->findChild<RunCurves*>();
  WAIT_UNTIL_EQUAL(curves->series().front().lines.size(), std::size_t(21));
  QCOMPARE(curves->series().front().lines.step.first(), 1.0);
  WAIT_UNTIL(person.find<QPlainTextEdit>("stepLog")->toPlainText().contains(
      QStringLiteral("loss   4.0000")));
  WAIT_UNTIL_EQUAL(person.find<QPlainTextEdit>("stepLog")->blockCount(), 21);
  auto* events = person.find<QTableWidget>("eventTable");
  WAIT_UNTIL_EQUAL(events->rowCount(), 3);
  QCOMPARE(events->item(2, 2)->text(), QStringLiteral("resumed"));
  // The rate in force, not the recipe's: to apply it unchanged is not even offered.
  auto* rate = person.find<QLineEdit>("liveRate");
  QCOMPARE(rate->text().toDouble(), 5e-4);
  QVERIFY(!person.find<QPushButton>("applyRate")->isEnabled());
  emit bridge.run_event(event_at(22, "learning_rate", "from 0.0005 to 1.23456789e-05", 40));
  WAIT_UNTIL_EQUAL(rate->text().toDouble(), 1.23456789e-05);
  // What is typed is not written over, and what is no rate is not applied.
  bridge.announce(StateChanged{SessionState::Training, {}});
  WAIT_UNTIL(rate->isVisible());
  for (const char* text : {"8x", "1e9", "", "-1", "nan"}) {
    rate->setFocus();
    rate->selectAll();
    QTest::keyClick(rate, Qt::Key_Delete);
    QTest::keyClicks(rate, QLatin1String(text));
    emit bridge.step_done(step);
    QTest::qWait(20);
    QCOMPARE(rate->text(), QLatin1String(text));
    QTest::keyClick(rate, Qt::Key_Return);
    auto* banner = window.page(PageId::Train)->findChild<Banner*>("banner");
    QVERIFY(banner->isVisible());
    QVERIFY2(banner->text().startsWith(QStringLiteral("Learning rate: ")),
             qPrintable(banner->text()));
    QTest::keyClick(rate, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(rate, QStringLiteral("3e-4"));
    QVERIFY(!banner->isVisible());
  }
}

void TestInterrupted::the_mouse_names_step_and_values() {
  RunCurves curves;
  curves.resize(900, 700);
  curves.show();
  QVERIFY(luthier::test::wait_for_window(&curves));
  RunSeries series;
  series.name = QStringLiteral("first");
  for (std::int64_t step = 1; step <= 5000; ++step) series.lines.push_back(line_at(step));
  series.lines.loss[2499] = 0.123;  // between what is drawn, where 5000 points are thinned
  series.evaluations[1000] = 0.5;
  series.steps_per_epoch = 100;
  curves.series().push_back(series);
  curves.changed();
  auto* plot = curves.findChild<CurvePlot*>("lossPlot");
  WAIT_UNTIL(plot->has_data() && plot->plot()->xAxis->range().upper > 4000);
  auto* readout = curves.findChild<QLabel*>("curveReadout");
  QVERIFY(!readout->isVisible());
  const auto hover = [&](CurvePlot* on, double x) {
    const QPoint at(static_cast<int>(on->plot()->xAxis->coordToPixel(x)), on->plot()->height() / 2);
    emit on->hovered(true, x, at);
  };
  QTest::mouseMove(plot->plot(), plot->plot()->rect().center());
  WAIT_UNTIL(readout->isVisible() && readout->text().contains(QStringLiteral("Step ")));
  hover(plot, 2500.3);
  QVERIFY(readout->isVisible());
  const auto text = [&] { return QTextDocumentFragment::fromHtml(readout->text()).toPlainText(); };
  QVERIFY2(
      text().contains(QStringLiteral("Step 2500")) && text().contains(QStringLiteral("epoch 25")),
      qPrintable(text()));
  for (const char* part : {"raw", "0.123", "smoothed", "evaluation", "0.5 (1000)"})
    QVERIFY2(text().contains(QLatin1String(part)), qPrintable(text()));
  QVERIFY(curves.rect().contains(readout->geometry()));
  auto* memory = curves.findChild<CurvePlot*>("memoryPlot");
  hover(memory, 7.2);
  QVERIFY2(text().contains(QStringLiteral("Step 7")) && text().contains(QStringLiteral("weights")),
           qPrintable(text()));
  auto* rate = curves.findChild<CurvePlot*>("ratePlot");
  hover(rate, 4999.8);
  QVERIFY2(
      text().contains(QStringLiteral("Step 5000")) && text().contains(QStringLiteral("0.0001")),
      qPrintable(text()));
  QVERIFY(curves.rect().contains(readout->geometry()));
  QEvent leave(QEvent::Leave);
  QApplication::sendEvent(rate->plot(), &leave);
  QVERIFY(!readout->isVisible());
  // On an axis of epochs, the step is named still.
  curves.findChild<QComboBox*>("curveAxis")->setCurrentIndex(1);
  WAIT_UNTIL(plot->plot()->xAxis->range().upper < 100);
  hover(plot, 12.3401);
  QVERIFY2(text().contains(QStringLiteral("Step 1234")), qPrintable(text()));
}

void TestInterrupted::the_first_window_fits_its_screen() {
  for (const QSize screen : {QSize(1280, 800), QSize(1366, 768), QSize(1280, 720), QSize(1024, 768),
                             QSize(3840, 2160)}) {
    const QSize size = MainWindow::first_size(screen);
    QVERIFY(size.width() <= screen.width() && size.height() + 30 <= screen.height());
    QVERIFY(size.width() <= 1280 && size.height() <= 800);
  }
  // The pages let the window be as small as a small screen: the rail's foot stays on it.
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  QVERIFY2(window.minimumSizeHint().height() <= 640,
           qPrintable(QString::number(window.minimumSizeHint().height())));
  window.resize(1024, 640);
  QTest::qWait(50);
  auto* settings = window.findChild<QToolButton*>("settingsButton");
  QVERIFY(window.rect().contains(QRect(settings->mapTo(&window, QPoint()), settings->size())));
}

QTEST_MAIN(TestInterrupted)
#include "test_interrupted.moc"
