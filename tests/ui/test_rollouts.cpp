// SPDX-License-Identifier: GPL-3.0-or-later
// A run that learns from what it draws, in the window: its answers as they come, stepping back
// through them, and the same of a run that has ended, on the Runs page. A file of many megabytes is
// read without holding the window.
#include "tests/ui/form_desk.h"
#include "ui/train/drawn_row_view.h"
#include "ui/train/reward_plot.h"
#include "ui/train/rollout_feed.h"
#include "ui/train/rollout_panel.h"
#include "ui/train/run_views.h"

using namespace luthier;
using namespace luthier::test;

class TestRollouts : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void initTestCase() { open(); }
  void answers_come_and_can_be_stepped_through();
  void a_run_that_has_ended_shows_them_again();
  void rewards_choose_who_is_best();
  void a_long_file_holds_nothing();
  void cleanupTestCase() { close(); }

 private:
  QWidget* views(PageId page) const { return window_->page(page)->findChild<RunViews*>(); }
  template <class T>
  T* in(PageId page, const char* name) const {
    return views(page)->findChild<T*>(QLatin1String(name));
  }
  /// The second tab, by the mouse.
  void look_at_answers(PageId page) const {
    auto* tabs = in<QTabBar>(page, "runViews");
    QTest::mouseClick(tabs, Qt::LeftButton, {}, tabs->tabRect(1).center());
  }
  void click(PageId page, const char* name) const {
    QTest::mouseClick(in<QToolButton>(page, name), Qt::LeftButton);
  }
  QString place(PageId page) const { return in<QLabel>(page, "placeDrawn")->text(); }
  /// The questions that stand there.
  QStringList questions(PageId page) const {
    QStringList texts;
    for (const auto* row : views(page)->findChildren<DrawnRowView*>())
      if (row->isVisible()) texts << row->findChild<QLabel*>("drawnQuestion")->text();
    return texts;
  }
};

void TestRollouts::answers_come_and_can_be_stepped_through() {
  Recipe recipe = base();
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"objective", "grpo"},
           {"grpo.num_generations", "4"},
           {"grpo.max_completion_length", "8"},
           {"grpo.reward_funcs", "word_overlap, exact_match"},
           {"grpo.temperature", "1"},
           {"training.per_device_train_batch_size", "4"},
           {"training.gradient_accumulation_steps", "1"},
           {"training.device", "cpu"},
           {"training.max_steps", "100000"}})
    QVERIFY2(set_field(recipe, key, value).ok(), key.c_str());
  recipe.output_dir = desk_.run("drawn").toStdString();
  workspace().replace_recipe(recipe);
  QVERIFY(!in<QTabBar>(PageId::Train, "runViews")->isVisible());
  QVERIFY(person_->click("launchButton"));
  auto* tabs = in<QTabBar>(PageId::Train, "runViews");
  WAIT_UNTIL(tabs->isVisible());
  QCOMPARE(tabs->currentIndex(), 0);
  look_at_answers(PageId::Train);
  WAIT_UNTIL(!questions(PageId::Train).isEmpty());

  // The newest is followed.
  const QString first = place(PageId::Train);
  WAIT_UNTIL(place(PageId::Train) != first);
  QVERIFY(in<QToolButton>(PageId::Train, "newestDrawn")->isChecked());

  // Who steps back stays there while the run goes on.
  click(PageId::Train, "previousDrawn");
  click(PageId::Train, "previousDrawn");
  QVERIFY(!in<QToolButton>(PageId::Train, "newestDrawn")->isChecked());
  const QString step = place(PageId::Train).section(QStringLiteral(" · "), 0, 0);
  const qsizetype lines = static_cast<qsizetype>(workspace().run()->lines.size());
  WAIT_UNTIL(static_cast<qsizetype>(workspace().run()->lines.size()) > lines + 3);
  QCOMPARE(place(PageId::Train).section(QStringLiteral(" · "), 0, 0), step);

  click(PageId::Train, "newestDrawn");
  WAIT_UNTIL(place(PageId::Train).section(QStringLiteral(" · "), 0, 0) != step);

  QVERIFY(person_->click("stopButton"));
  QDialog* question = nullptr;
  WAIT_UNTIL((question = window_->findChild<QDialog*>("stopQuestion")) && question->isVisible());
  QTest::mouseClick(question->findChild<QPushButton*>("stopSave"), Qt::LeftButton);
  WAIT_UNTIL(workspace().run()->ended);
  WAIT_UNTIL(workspace().state() == SessionState::Ready);
  // What came last is there, too: the file's last step.
  std::vector<DrawnStep> steps;
  std::uint64_t at = 0;
  for (bool more = true; more;) {
    auto piece = read_rollout_index(to_path(desk_.run("drawn")) / kRolloutsFile, at, 1 << 20);
    QVERIFY(piece.ok());
    at = piece->read_to;
    more = piece->more;
    join_rollouts(steps, piece.take());
  }
  const QString last =
      QStringLiteral("Step %1 · %2 of %2").arg(steps.back().step).arg(steps.size());
  WAIT_UNTIL_EQUAL(place(PageId::Train), last);
}

void TestRollouts::a_run_that_has_ended_shows_them_again() {
  window_->show_page(PageId::Runs);
  person_->type("runsFolder", QFileInfo(desk_.run("drawn")).path());
  auto* tabs = in<QTabBar>(PageId::Runs, "runViews");
  WAIT_UNTIL(tabs->isVisible());
  look_at_answers(PageId::Runs);
  WAIT_UNTIL(!questions(PageId::Runs).isEmpty());
  QCOMPARE(place(PageId::Runs), place(PageId::Train));
  // A click on the plot's first column goes to the first step.
  auto* plot = in<RewardPlot>(PageId::Runs, "rewardPlot");
  QTest::mouseClick(plot, Qt::LeftButton, {}, plot->column_of(0).center());
  QVERIFY(place(PageId::Runs).startsWith(QStringLiteral("Step 1 · 1 of ")));
  QTest::keyClick(plot, Qt::Key_Right);
  QVERIFY(place(PageId::Runs).startsWith(QStringLiteral("Step 2 · 2 of ")));
  window_->show_page(PageId::Train);
}

void TestRollouts::rewards_choose_who_is_best() {
  DrawnRow row;
  row.prompt.messages = {{"user", {ContentPart::of_text("Which one?")}}};
  row.judges = {"a", "b"};
  row.answers = {
      {"first", 1, {0, 3}}, {"second", 2, {2, 0}}, {std::string(2000, 'x'), 3, {1, std::nan("")}}};
  const auto text_by = [&](const std::string& judge, const std::vector<double>& weights) {
    const DrawnRowView view(row, judge, weights);
    QTextDocument shown;
    shown.setHtml(view.findChild<QLabel*>("drawnAnswers")->text());
    return shown.toPlainText();
  };
  QString text = text_by("", {});
  QVERIFY2(text.indexOf("first") < text.indexOf("second"), qPrintable(text));
  QVERIFY(text.indexOf(QStringLiteral("▲")) < text.indexOf("first"));
  QVERIFY(text.indexOf(QStringLiteral("▼")) > text.indexOf("second"));
  QVERIFY(text.contains("a 1 · b –"));
  QVERIFY(text.contains("all 2,000 characters"));
  // Weights turn the order around, and so does a judge alone.
  text = text_by("", {1, 0.1});
  QVERIFY(text.indexOf("second") < text.indexOf("first"));
  text = text_by("a", {});
  QVERIFY(text.indexOf("second") < text.indexOf("first"));
  // Of equal ones none is best.
  row.answers.resize(1);
  QVERIFY(!text_by("", {}).contains(QStringLiteral("▲")));

  row.answers = {{std::string(2000, 'x'), 3, {1, 1}}};
  const DrawnRowView view(row, "", {});
  auto* label = view.findChild<QLabel*>("drawnAnswers");
  const qsizetype before = label->text().size();
  emit label->linkActivated(QStringLiteral("0"));
  QVERIFY(label->text().size() > before + 1000);
}

void TestRollouts::a_long_file_holds_nothing() {
  const QString folder = desk_.run("long");
  QVERIFY(QDir().mkpath(folder));
  QFile file(folder + QStringLiteral("/rollouts.jsonl"));
  QVERIFY(file.open(QIODevice::WriteOnly));
  // 100 MB, most of them log-probabilities, as they are of long answers.
  const QByteArray ids = "[" + QByteArray("12345,").repeated(1500) + "1]";
  const QByteArray odds = "[" + QByteArray("-1.234567890123,").repeated(1500) + "-1.0]";
  int steps = 0;
  while (file.size() < 100'000'000) {
    ++steps;
    for (int row = 0; row < 4; ++row) {
      QByteArray line = "{\"step\":" + QByteArray::number(steps) +
                        ",\"row\":0,\"prompt\":[{\"role\":"
                        "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Q\"}]}],"
                        "\"completion_ids\":[" +
                        ids + "," + ids + "],\"completions\":[\"" +
                        QByteArray("word ").repeated(1500) + "\",\"b\"],\"rewards\":{\"a\":[" +
                        QByteArray::number(0.1 * row) + ",1]},\"old_per_token_logps\":[" + odds +
                        "," + odds + "]}\n";
      file.write(line);
    }
    file.flush();
  }
  file.close();

  RunViews shown;
  shown.resize(900, 600);
  shown.show();
  QVERIFY(wait_for_window(&shown));
  auto* tabs = shown.findChild<QTabBar*>("runViews");
  shown.set_run(to_path(folder), Recipe());
  // The window's own time between two turns of its loop, while all of it is read.
  double longest = 0, before = thread_milliseconds();
  QTimer meter;
  meter.setTimerType(Qt::PreciseTimer);
  meter.start(5);
  connect(&meter, &QTimer::timeout, this, [&] {
    const double now = thread_milliseconds();
    longest = std::max(longest, now - before);
    before = now;
  });
  WAIT_UNTIL(tabs->isVisible());
  tabs->setCurrentIndex(1);
  const QString last = QStringLiteral("Step %1 · %1 of %1").arg(steps);
  auto* place = shown.findChild<QLabel*>("placeDrawn");
  WAIT_UNTIL_EQUAL(place->text(), last);
  WAIT_UNTIL(shown.findChildren<DrawnRowView*>().size() == 4);
  meter.stop();
  qInfo("%d steps, longest turn: %.1f ms", steps, longest);
  QVERIFY2(longest < 100, qPrintable(QString::number(longest)));
}

QTEST_MAIN(TestRollouts)
#include "test_rollouts.moc"
