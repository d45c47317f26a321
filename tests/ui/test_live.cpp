// SPDX-License-Identifier: GPL-3.0-or-later
// A run as a person lives with it: pause, ask, change rate, clipping and logging, go on; samples
// that are answered as it learns, scrubbed by slider and by the mouse over the curves; alarms; what
// was forgotten. The same changes without a person end in the same bytes.
#include "engine/runs/run_edits.h"
#include "engine/session/headless.h"
#include "tests/ui/form_desk.h"
#include "ui/train/filmstrip.h"
#include "ui/train/run_curves.h"
#include "ui/train/run_views.h"

using namespace luthier;
using namespace luthier::test;

class TestLive : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void initTestCase() { open(); }
  void pause_ask_edit_and_go_on();
  void the_same_without_a_person();
  void samples_are_scrubbed_along_the_loss();
  void a_run_that_has_ended_shows_them_again();
  void an_alarm_is_said_and_marked();
  void cleanupTestCase() { close(); }

 private:
  Recipe live_recipe() const {
    Recipe recipe = base();
    const std::string probe = few_rows(desk_, "json", 2, "probe.jsonl").toStdString();
    for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
             {"training.device", "cpu"},
             {"training.max_steps", "60"},
             {"training.gradient_accumulation_steps", "1"},
             {"training.eval_steps", "30"},
             {"eval_dataset", probe},
             {"samples.every", "20"},
             {"samples.count", "2"},
             {"samples.max_new_tokens", "6"},
             {"forgetting.dataset", probe},
             {"forgetting.count", "1"},
             {"forgetting.max_new_tokens", "4"}})
      if (!set_field(recipe, key, value)) qFatal("%s", key.c_str());
    recipe.output_dir = desk_.run("live").toStdString();
    return recipe;
  }
  RunCurves* curves(PageId page) const { return window_->page(page)->findChild<RunCurves*>(); }
  template <class T>
  T* in(PageId page, const char* name) const {
    return window_->page(page)->findChild<T*>(QLatin1String(name));
  }
  QStringList answers(PageId page) const {
    QStringList texts;
    for (const auto* label : in<Filmstrip>(page, "filmstrip")->findChildren<QLabel*>("frameAnswer"))
      texts << label->text();
    return texts;
  }
  static QByteArray bytes(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
  }
};

void TestLive::pause_ask_edit_and_go_on() {
  workspace().replace_recipe(live_recipe());
  QVERIFY(person_->click("launchButton"));
  WAIT_UNTIL(workspace().run() && !workspace().run()->lines.empty());
  QVERIFY(person_->click("mainButton"));
  WAIT_UNTIL(person_->state() == SessionState::Paused);
  // The run has samples: what it answers is in sight by itself.
  auto* tabs = person_->find<QTabWidget>("runTabs");
  QCOMPARE(tabs->currentWidget(), static_cast<QWidget*>(in<Filmstrip>(PageId::Train, "filmstrip")));
  QTest::mouseClick(tabs->tabBar(), Qt::LeftButton, {}, tabs->tabBar()->tabRect(2).center());
  QVERIFY(person_->click("askTakeRow"));
  WAIT_UNTIL(!person_->find<QLineEdit>("askQuestion")->text().isEmpty());
  QVERIFY(person_->click("askButton"));
  auto* asked = person_->find<QTextBrowser>("askAnswers");
  WAIT_UNTIL(asked->toPlainText().contains(QStringLiteral("in training")) &&
             !asked->toPlainText().contains(QStringLiteral("…")));

  // All three at once, by one Enter; what cannot be is refused and changes nothing.
  auto* clip = person_->find<QLineEdit>("liveClip");
  QCOMPARE(clip->text().toDouble(), 1.0);
  clip->setFocus();
  clip->selectAll();
  QTest::keyClicks(clip, QStringLiteral("0.05"));
  auto* logging = person_->find<QLineEdit>("liveLogging");
  logging->setFocus();
  logging->selectAll();
  QTest::keyClicks(logging, QStringLiteral("0"));
  person_->type("liveRate", "7e-4");
  QVERIFY(banner()->isVisible() && banner()->text().startsWith(QStringLiteral("Log every")));
  QVERIFY(person_->find<QPushButton>("applyRate")->isEnabled());
  person_->type("liveLogging", "3");
  QVERIFY(!banner()->isVisible());
  const auto happened = [&](const std::string& kind) {
    const auto& events = workspace().run()->events;
    return std::any_of(events.begin(), events.end(),
                       [&](const RunEvent& event) { return event.kind == kind; });
  };
  WAIT_UNTIL(happened("learning_rate") && happened("max_grad_norm") && happened("logging_steps"));
  QVERIFY(!person_->find<QPushButton>("applyRate")->isEnabled());
  QVERIFY(person_->text("rateNow").contains(QStringLiteral("7.0e-4")) ||
          person_->text("rateNow").contains(QStringLiteral("0.0007")));
  // A line through the curves says so, and the mouse reads it.
  auto* plot = in<CurvePlot>(PageId::Train, "lossPlot");
  WAIT_UNTIL(plot->marks().size() == 1);
  for (const char* part : {"Learning rate 0.0007", "Max grad norm 0.05", "Log every 3"})
    QVERIFY2(plot->marks()[0].text.contains(QLatin1String(part)),
             qPrintable(plot->marks()[0].text));
  QVERIFY(!plot->marks()[0].warns);
  QVERIFY(person_->click("mainButton"));
  WAIT_UNTIL(workspace().run()->ended);
  WAIT_UNTIL(person_->state() == SessionState::Ready);
  QCOMPARE(workspace().run()->end_state, std::string("finished"));
}

void TestLive::the_same_without_a_person() {
  const auto edits = read_edits(to_path(desk_.run("live")) / "events.jsonl");
  QVERIFY(edits.ok());
  QCOMPARE(edits->size(), std::size_t(3));
  Recipe recipe = live_recipe();
  recipe.output_dir = desk_.run("headless").toStdString();
  const auto result = train_headless(recipe, {}, {}, {}, 0, *edits);
  QVERIFY2(result.ok(), result.ok() ? "" : result.error().sentence().c_str());
  for (const char* file : {"/adapter/adapter_model.safetensors", "/samples.jsonl"}) {
    QVERIFY(!bytes(desk_.run("live") + QLatin1String(file)).isEmpty());
    QVERIFY2(bytes(desk_.run("live") + QLatin1String(file)) ==
                 bytes(desk_.run("headless") + QLatin1String(file)),
             file);
  }
}

void TestLive::samples_are_scrubbed_along_the_loss() {
  auto* tabs = person_->find<QTabWidget>("runTabs");
  QTest::mouseClick(tabs->tabBar(), Qt::LeftButton, {}, tabs->tabBar()->tabRect(3).center());
  auto* place = in<QLabel>(PageId::Train, "framePlace");
  WAIT_UNTIL_EQUAL(place->text(), QStringLiteral("Step 60 · 4 of 4"));
  const QStringList last = answers(PageId::Train);
  QCOMPARE(last.size(), 2);
  auto* slider = in<QSlider>(PageId::Train, "frameSlider");
  slider->setFocus();
  QTest::keyClick(slider, Qt::Key_Home);
  QCOMPARE(place->text(), QStringLiteral("Before the first step · 1 of 4"));
  // What stood in the file first.
  const QStringList first = answers(PageId::Train);
  QFile file(desk_.run("live") + QStringLiteral("/samples.jsonl"));
  QVERIFY(file.open(QIODevice::ReadOnly));
  for (const QString& answer : first) {
    const QJsonObject line = QJsonDocument::fromJson(file.readLine()).object();
    QCOMPARE(line["step"].toInt(-1), 0);
    QVERIFY2(answer.startsWith(line["text"].toString().toHtmlEscaped()), qPrintable(answer));
  }
  QVERIFY(!in<QToolButton>(PageId::Train, "newestFrame")->isChecked());
  // The slider moves the cross-line, and the mouse over the curves the slider.
  QTest::keyClick(slider, Qt::Key_Right);
  QCOMPARE(place->text(), QStringLiteral("Step 20 · 2 of 4"));
  auto* plot = in<CurvePlot>(PageId::Train, "lossPlot");
  // A run that ends within half a second of a redraw leaves its last lines to the next one: until
  // then the mouse stands over a step that is not there yet. Here the lines of the first 20 stand.
  RunCurves* drawn = curves(PageId::Train);
  const RunSeries whole = drawn->series().front();
  drawn->series().front() = {};
  for (const MetricsLine& line : workspace().run()->lines)
    if (line.step <= 20) drawn->series().front().lines.push_back(line);
  drawn->changed();
  WAIT_UNTIL(plot->data_range().upper <= 20);
  drawn->series().front() = whole;
  drawn->changed();
  WAIT_UNTIL(plot->data_range().upper >= 60);
  const QPoint at(static_cast<int>(plot->plot()->xAxis->coordToPixel(48)),
                  plot->plot()->height() / 2);
  QTest::mouseMove(plot->plot(), at);
  WAIT_UNTIL_EQUAL(place->text(), QStringLiteral("Step 40 · 3 of 4"));
  QVERIFY(in<QToolButton>(PageId::Train, "nextFrame")->isEnabled());
  QTest::mouseClick(in<QToolButton>(PageId::Train, "newestFrame"), Qt::LeftButton);
  QCOMPARE(answers(PageId::Train), last);
  // The probe: a figure, and a curve among the figures.
  auto* forgotten = in<QLabel>(PageId::Train, "forgettingMeter");
  WAIT_UNTIL(forgotten->isVisible() && forgotten->text().contains(QStringLiteral("step 60")));
  auto* figures = in<QComboBox>(PageId::Train, "figureGroup");
  QVERIFY(figures->findText(QStringLiteral("probe")) >= 0);
}

void TestLive::a_run_that_has_ended_shows_them_again() {
  window_->show_page(PageId::Runs);
  person_->type("runsFolder", QFileInfo(desk_.run("live")).path());
  auto* strip = in<Filmstrip>(PageId::Runs, "filmstrip");
  WAIT_UNTIL(strip->isVisible() && strip->has_frames());
  QCOMPARE(answers(PageId::Runs), answers(PageId::Train));
  auto* plot = in<CurvePlot>(PageId::Runs, "lossPlot");
  WAIT_UNTIL(curves(PageId::Runs)->series().size() > 1 || plot->marks().size() == 1);
  window_->show_page(PageId::Train);
}

void TestLive::an_alarm_is_said_and_marked() {
  SessionBridge& bridge = workspace().bridge();
  RunStarted started{};
  started.folder = to_path(desk_.run("alarmed"));
  started.total_steps = 10;
  emit bridge.run_started(started);
  StepDone step{};
  for (step.line.step = 1; step.line.step <= 4; ++step.line.step) emit bridge.step_done(step);
  QVERIFY(!banner()->isVisible());
  RunEvent event;
  event.step = 3;
  event.kind = "alarm";
  event.detail =
      "Step 3: the loss and the gradient are zero, so nothing is learned. Look at "
      "training.loss_on and training.max_length: no token of these rows may carry a label.";
  emit bridge.run_event(event);
  QVERIFY(banner()->isVisible());
  QVERIFY2(banner()->text().contains(QStringLiteral("“Train on”")), qPrintable(banner()->text()));
  auto* plot = in<CurvePlot>(PageId::Train, "lossPlot");
  WAIT_UNTIL(plot->marks().size() == 1 && plot->marks()[0].warns);
  QCOMPARE(plot->marks()[0].x, 3.0);
  auto* events = person_->find<QTableWidget>("eventTable");
  WAIT_UNTIL_EQUAL(events->rowCount(), 1);
  QCOMPARE(events->item(0, 2)->text(), QStringLiteral("alarm"));
  // In Korean too, words and all.
  Language::instance().choose(QStringLiteral("ko"));
  QCoreApplication::sendPostedEvents();
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  QVERIFY(events->item(0, 3)->text().startsWith(QStringLiteral("스텝 3: 손실과 기울기가 0")));
}

QTEST_MAIN(TestLive)
#include "test_live.moc"
