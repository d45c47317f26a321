// SPDX-License-Identifier: GPL-3.0-or-later
// Manners that hold on every page: words of any size fit, a projector's lines are thick, tables
// copy, everything that can be operated has a name for a screen reader, colours differ for every
// eye, and the desktop is told when a run ends.
#include "tests/ui/driver.h"
#include "ui/desk/run_notice.h"
#include "ui/desk/shortcuts.h"
#include "ui/desk/text_size.h"
#include "ui/train/curve_plot.h"
#include "ui/widgets/copied_table.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestManners : public QObject {
  Q_OBJECT

 private slots:
  void init() { QSettings().clear(); }
  void cleanup() {
    Theme::instance().set_projector(false);
    Theme::instance().set_text_scale(1);
  }
  void words_grow_and_come_back();
  void a_projector_has_thick_lines();
  void the_size_is_kept();
  void large_words_fit_data();
  void large_words_fit();
  void views_have_names_and_copy();
  void rows_are_copied();
  void every_eye_tells_the_colours_apart_data();
  void every_eye_tells_the_colours_apart();
  void the_desktop_is_told();
  void the_status_line_says_what_memory_is_held();

 private:
  Desk desk_;
};

void TestManners::words_grow_and_come_back() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* state = person.find<QLabel>("stateLabel");        // a font of its own
  auto* launch = person.find<QPushButton>("mainButton");  // the program's
  const double bold = state->font().pointSizeF(), plain = launch->font().pointSizeF();
  const int header = person.find<QWidget>("runHeader")->height();
  for (int i = 0; i < 3; ++i) QTest::keyClick(&window, Qt::Key_Plus, Qt::ControlModifier);
  QVERIFY(qAbs(state->font().pointSizeF() - 1.3 * bold) < 0.1);
  QVERIFY(qAbs(launch->font().pointSizeF() - 1.3 * plain) < 0.1);
  QVERIFY(state->font().bold() && !launch->font().bold());
  WAIT_UNTIL(person.find<QWidget>("runHeader")->height() > header);
  QVERIFY(person.choose("settingsButton", "text_smaller"));
  QVERIFY(qAbs(launch->font().pointSizeF() - 1.2 * plain) < 0.1);
  for (int i = 0; i < 40; ++i) QTest::keyClick(&window, Qt::Key_Minus, Qt::ControlModifier);
  QVERIFY(qAbs(launch->font().pointSizeF() - Theme::kSmallestText * plain) < 0.1);
  QTest::keyClick(&window, Qt::Key_0, Qt::ControlModifier);
  QVERIFY(qAbs(state->font().pointSizeF() - bold) < 0.01);
  QVERIFY(qAbs(launch->font().pointSizeF() - plain) < 0.01);
}

void TestManners::a_projector_has_thick_lines() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  CurvePlot plot(QStringLiteral("plot"));
  Curve curve;
  curve.x = {0, 1, 2};
  curve.y = {1, 3, 2};
  curve.colour = Qt::red;
  plot.set_curves({curve});
  auto* graph = plot.findChild<QCustomPlot*>()->graph(0);
  const double usual = graph->pen().widthF();
  const double words = QApplication::font().pointSizeF();
  QTest::keyClick(&window, Qt::Key_F11);
  QVERIFY(Theme::instance().projector());
  QVERIFY(window.findChild<QAction*>("projector")->isChecked());
  // What is drawn already is drawn anew.
  QVERIFY(plot.findChild<QCustomPlot*>()->graph(0)->pen().widthF() > 1.5 * usual);
  QVERIFY(QApplication::font().pointSizeF() > 1.2 * words);
  QTest::keyClick(&window, Qt::Key_F11);
  QCOMPARE(plot.findChild<QCustomPlot*>()->graph(0)->pen().widthF(), usual);
}

void TestManners::the_size_is_kept() {
  change_text_size(1);
  change_text_size(1);
  choose_projector(true);
  cleanup();
  restore_text_size();
  QVERIFY(qAbs(Theme::instance().text_scale() - 1.2) < 1e-9);
  QVERIFY(Theme::instance().projector());
  QSettings().setValue("text_scale", 1e9);
  restore_text_size();
  QCOMPARE(Theme::instance().text_scale(), Theme::kLargestText);
}

void TestManners::large_words_fit_data() {
  QTest::addColumn<QString>("language");
  QTest::newRow("en") << QStringLiteral("en");
  QTest::newRow("ko") << QStringLiteral("ko");
}

/// On a projector's screen, with a projector's words: buttons and what they say.
void TestManners::large_words_fit() {
  QFETCH(QString, language);
  Language::instance().choose(language);
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  MainWindow window;
  window.resize(1600, 900);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Theme::instance().set_projector(true);
  QStringList cut;
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    QTest::qWait(100);
    QCOMPARE(window.size(), QSize(1600, 900));
    for (const QPushButton* button : window.findChildren<QPushButton*>()) {
      if (!button->isVisible() || button->text().isEmpty()) continue;
      const int needed = button->fontMetrics().size(Qt::TextShowMnemonic, button->text()).width();
      if (button->width() < needed || button->height() < button->fontMetrics().height())
        cut << button->text();
    }
    for (const QLabel* label : window.findChildren<QLabel*>()) {
      if (!label->isVisible() || label->text().isEmpty() || label->wordWrap()) continue;
      const bool any = label->sizePolicy().horizontalPolicy() == QSizePolicy::Ignored;
      const bool narrow = label->width() + 1 < label->sizeHint().width();
      if (!any && (narrow || label->height() < label->fontMetrics().height())) cut << label->text();
    }
  }
  QVERIFY2(cut.isEmpty(), qPrintable(cut.join(QStringLiteral(", "))));
}

void TestManners::views_have_names_and_copy() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  int views = 0;
  QStringList without;
  for (const QAbstractItemView* view : window.findChildren<QAbstractItemView*>()) {
    // A list behind a combo box, a head and a plain text's frame are parts of something named.
    if (qobject_cast<const QHeaderView*>(view)) continue;
    const QWidget* above = view->parentWidget();
    if (above && (qobject_cast<const QComboBox*>(above->parentWidget()) ||
                  QString(above->metaObject()->className()).contains("ComboBox")))
      continue;
    ++views;
    if (view->accessibleName().isEmpty()) without << "name: " + view->objectName();
    const auto actions = view->actions();
    if (std::none_of(actions.begin(), actions.end(), [](const QAction* action) {
          return action->shortcut() == shortcut_keys("copy_table");
        }))
      without << "copy: " + view->objectName();
  }
  QVERIFY(views >= 8);
  for (const QWidget* widget : window.findChildren<QWidget*>()) {
    const bool text = qobject_cast<const QPlainTextEdit*>(widget);
    const bool number =
        qobject_cast<const QAbstractSpinBox*>(widget) || qobject_cast<const QSlider*>(widget);
    if ((text || number) && widget->accessibleName().isEmpty())
      without << "name: " + widget->objectName();
  }
  QVERIFY2(without.isEmpty(), qPrintable(without.join(QStringLiteral(", "))));
}

void TestManners::rows_are_copied() {
  QTableWidget table(3, 2);
  table.setSelectionBehavior(QAbstractItemView::SelectRows);
  make_rows_copied(&table);
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 2; ++column)
      table.setItem(row, column,
                    new QTableWidgetItem(QStringLiteral("%1\t%2").arg(row).arg(column)));
  table.show();
  QVERIFY(luthier::test::wait_for_window(&table));
  QCOMPARE(rows_text(QTableWidget()), QString());
  table.selectRow(2);
  table.selectionModel()->select(table.model()->index(0, 0),
                                 QItemSelectionModel::Select | QItemSelectionModel::Rows);
  table.setFocus();
  QTest::keyClick(&table, Qt::Key_C, Qt::ControlModifier);
  QCOMPARE(QApplication::clipboard()->text(), QStringLiteral("0 0\t0 1\n2 0\t2 1\n"));
}

void TestManners::every_eye_tells_the_colours_apart_data() {
  QTest::addColumn<bool>("dark");
  QTest::newRow("light") << false;
  QTest::newRow("dark") << true;
}

/// How far apart two colours are, in CIE Lab, for an eye that sees as this matrix of Machado,
/// Oliveira and Fernandes (2009, severity 1) says.
static double apart(const QColor& a, const QColor& b, const double (&eye)[3][3]) {
  const auto lab = [&](const QColor& colour) {
    const auto linear = [](double v) {
      return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    };
    const double in[] = {linear(colour.redF()), linear(colour.greenF()), linear(colour.blueF())};
    double seen[3];
    for (int i = 0; i < 3; ++i)
      seen[i] = std::clamp(eye[i][0] * in[0] + eye[i][1] * in[1] + eye[i][2] * in[2], 0.0, 1.0);
    const double x = 0.4124 * seen[0] + 0.3576 * seen[1] + 0.1805 * seen[2];
    const double y = 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2];
    const double z = 0.0193 * seen[0] + 0.1192 * seen[1] + 0.9505 * seen[2];
    const auto f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; };
    return std::array{116 * f(y) - 16, 500 * (f(x / 0.95047) - f(y)),
                      200 * (f(y) - f(z / 1.08883))};
  };
  const auto left = lab(a), right = lab(b);
  return std::hypot(left[0] - right[0], left[1] - right[1], left[2] - right[2]);
}

void TestManners::every_eye_tells_the_colours_apart() {
  QFETCH(bool, dark);
  Theme::instance().choose(dark ? Theme::Choice::Dark : Theme::Choice::Light);
  const auto back = qScopeGuard([] { Theme::instance().choose(Theme::Choice::Light); });
  constexpr double kEyes[4][3][3] = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                                     {{0.152286, 1.052583, -0.204868},
                                      {0.114503, 0.786281, 0.099216},
                                      {-0.003882, -0.048116, 1.051998}},
                                     {{0.367322, 0.860646, -0.227968},
                                      {0.280085, 0.672501, 0.047413},
                                      {-0.011820, 0.042940, 0.968881}},
                                     {{1.255528, -0.076749, -0.178779},
                                      {-0.078411, 0.930809, 0.147602},
                                      {0.004733, 0.691367, 0.303900}}};
  constexpr double kApart = 10;  // 2.3 is what one just notices side by side
  const auto all_differ = [&](const auto& colours, const char* what) {
    for (std::size_t i = 0; i < colours.size(); ++i)
      for (std::size_t k = 0; k < i; ++k)
        for (const auto& eye : kEyes)
          QVERIFY2(apart(colours[i], colours[k], eye) >= kApart,
                   qPrintable(QStringLiteral("%1 %2 and %3").arg(what).arg(k).arg(i)));
  };
  all_differ(colours().series, "series");
  all_differ(colours().parts, "parts");
}

void TestManners::the_desktop_is_told() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  QList<QPair<QString, QString>> told;
  new RunNotice(window.workspace(), &window,
                [&](const QString& title, const QString& text) { told << qMakePair(title, text); });
  SessionBridge& bridge = window.workspace().bridge();
  RunStarted started{};
  started.folder = "runs/first";
  started.total_steps = 3;
  RunEnded ended{};
  ended.folder = started.folder;
  ended.state = "finished";
  ended.seconds = 75;
  const auto run_ends = [&] {
    emit bridge.run_started(started);
    StepDone step{};
    step.line.step = 3;
    step.line.loss = 0.25;
    emit bridge.step_done(step);
    emit bridge.run_ended(ended);
  };
  // Who looks at the window sees it there.
  QApplication::setActiveWindow(&window);
  WAIT_UNTIL(window.isActiveWindow());
  run_ends();
  QVERIFY(told.isEmpty());
  QWidget other;
  other.show();
  QApplication::setActiveWindow(&other);
  WAIT_UNTIL(!window.isActiveWindow());
  run_ends();
  QCOMPARE(told.size(), 1);
  QCOMPARE(told[0].first, QStringLiteral("“first”: finished"));
  QCOMPARE(told[0].second, QStringLiteral("after 01:15 · step 3, loss 0.25"));
  ended.error = machine_error("The disk is full.", "runs/first");
  run_ends();
  QCOMPARE(told.size(), 2);
  QCOMPARE(told[1].first, QStringLiteral("“first” failed"));
  QVERIFY(told[1].second.contains("The disk is full."));
  ended.error.reset();
  Person person(window);
  QApplication::setActiveWindow(&window);
  QVERIFY(person.choose("settingsButton", "notices"));
  QApplication::setActiveWindow(&other);
  WAIT_UNTIL(!window.isActiveWindow());
  run_ends();
  QCOMPARE(told.size(), 2);
}

void TestManners::the_status_line_says_what_memory_is_held() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  static const QRegularExpression bytes(QStringLiteral("^Memory \\d[\\d.]* [KMG]iB$"));
  auto *held = person.find<QLabel>("heldLabel"), *of_run = person.find<QLabel>("memoryLabel");
  QVERIFY(held->isVisible() && !of_run->isVisible());
  QVERIFY2(bytes.match(held->text()).hasMatch(), qPrintable(held->text()));
  // A run tells it better.
  SessionBridge& bridge = window.workspace().bridge();
  RunStarted started{};
  started.folder = "runs/first";
  started.total_steps = 3;
  emit bridge.run_started(started);
  StepDone step{};
  step.line.step = 1;
  step.line.memory.allocated = 300 << 20;
  emit bridge.step_done(step);
  WAIT_UNTIL(of_run->isVisible());
  QVERIFY(!held->isVisible());
}

QTEST_MAIN(TestManners)
#include "test_manners.moc"
