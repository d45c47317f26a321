// SPDX-License-Identifier: GPL-3.0-or-later
// The frame by mouse and keyboard: pages, language, theme, sizes at which nothing may be cut off.
#include "tests/ui/driver.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestFrame : public QObject {
  Q_OBJECT

 private slots:
  void rail_and_shortcuts_switch_pages();
  void language_switches_while_open();
  void theme_switches_while_open();
  void nothing_keeps_the_other_theme_data();
  void nothing_keeps_the_other_theme();
  void nothing_is_cut_off_data();
  void nothing_is_cut_off();
  void everything_has_a_name_and_takes_the_keyboard();
  void figures_are_of_one_width();
  void colours_can_be_read_data();
  void colours_can_be_read();

 private:
  Desk desk_;
};

void TestFrame::rail_and_shortcuts_switch_pages() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(person.click("rail_compare"));
  QCOMPARE(window.current(), PageId::Compare);
  for (int i = 0; i <= static_cast<int>(PageId::Lab); ++i) {
    QTest::keyClick(&window, static_cast<Qt::Key>(Qt::Key_1 + i), Qt::ControlModifier);
    QCOMPARE(static_cast<int>(window.current()), i);
  }
  QTest::keyClick(&window, Qt::Key_Home, Qt::AltModifier);
  QCOMPARE(window.current(), PageId::Start);
  // An empty state leads on: without a model, Compare sends to Model.
  QTest::keyClick(&window, Qt::Key_4, Qt::ControlModifier);
  QVERIFY(person.click("emptyCompare"));
  QCOMPARE(window.current(), PageId::Model);
}

void TestFrame::language_switches_while_open() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  auto* launch = person.find<QPushButton>("mainButton");
  QCOMPARE(launch->text(), QStringLiteral("Launch"));
  QVERIFY(person.choose("settingsButton", "language_ko"));
  WAIT_UNTIL_EQUAL(launch->text(), QStringLiteral("학습 시작"));
  QCOMPARE(person.find<QAbstractButton>("rail_train")->accessibleName(), QStringLiteral("학습"));
  // Every label and button that shows a Latin sentence now would be one that was forgotten.
  static const QRegularExpression english(QStringLiteral("[a-z]{3,} [a-z]{2,} [a-z]{3,}"));
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    QTest::qWait(20);
    for (const QLabel* label : window.findChildren<QLabel*>())
      if (label->isVisible())
        QVERIFY2(!english.match(label->text()).hasMatch(), qPrintable(label->text()));
    for (const QAbstractButton* button : window.findChildren<QAbstractButton*>())
      if (button->isVisible())
        QVERIFY2(!english.match(button->text()).hasMatch(), qPrintable(button->text()));
  }
  QVERIFY(person.choose("settingsButton", "language_en"));
  WAIT_UNTIL_EQUAL(launch->text(), QStringLiteral("Launch"));
}

void TestFrame::theme_switches_while_open() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  const auto corner = [&] {
    return window.grab()
        .toImage()
        .pixelColor(window.width() - 40, window.height() - 60)
        .lightness();
  };
  QVERIFY(person.choose("settingsButton", "theme_dark"));
  WAIT_UNTIL(corner() < 80);
  QVERIFY(person.choose("settingsButton", "theme_light"));
  WAIT_UNTIL(corner() > 200);
}

void TestFrame::nothing_keeps_the_other_theme_data() {
  QTest::addColumn<bool>("to_dark");
  QTest::newRow("light to dark") << true;
  QTest::newRow("dark to light") << false;
}

/// Everything that was coloured in one theme, a mistyped field and findings among it, is coloured
/// anew in the other.
void TestFrame::nothing_keeps_the_other_theme() {
  QFETCH(bool, to_dark);
  Theme& theme = Theme::instance();
  theme.choose(to_dark ? Theme::Choice::Light : Theme::Choice::Dark);
  const auto back = qScopeGuard([&theme] { theme.choose(Theme::Choice::Light); });
  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  const QString file = luthier::test::few_rows(desk_, "json", 4, QStringLiteral("coloured.jsonl"));
  QFile out(file);
  QVERIFY(out.open(QIODevice::Append));
  out.write(
      "{\"image\": \"nowhere.png\", \"prompt\": \"<image>What?\", \"completion\": \"nothing\"}\n");
  out.close();
  window.show_page(PageId::Data);
  person.type("dataPath", file);
  WAIT_UNTIL_EQUAL(person.find<QTableView>("rowTable")->model()->rowCount(), 5);
  QVERIFY(person.click("checkData"));
  auto* findings = person.find<QTableWidget>("findingTable");
  WAIT_UNTIL(findings->rowCount() >= 1);
  QTest::mouseClick(findings->viewport(), Qt::LeftButton, {},
                    findings->visualItemRect(findings->item(0, 2)).center());
  window.show_page(PageId::Train);
  person.type("field_training_learning_rate", QStringLiteral("fast"));
  WAIT_UNTIL(person.find<QLabel>("field_training_learning_rate_error")->isVisible());
  const Colours before = colours();
  theme.choose(to_dark ? Theme::Choice::Dark : Theme::Choice::Light);
  const Colours& now = colours();
  // Colours that only the theme before has.
  std::set<QRgb> gone;
  for (const QColor& c : {before.window, before.card, before.line, before.text, before.muted,
                          before.accent, before.field, before.warning, before.error, before.good})
    gone.insert(c.rgb());
  for (const QColor& c : {now.window, now.card, now.line, now.text, now.muted, now.accent,
                          now.field, now.warning, now.error, now.good, now.on_accent})
    gone.erase(c.rgb());
  // Of pixels only the colourful ones tell: greys also come from the edges of letters.
  std::set<QRgb> gone_inks;
  for (const QColor& c : {before.accent, before.warning, before.error, before.good})
    if (gone.count(c.rgb())) gone_inks.insert(c.rgb());
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    QTest::qWait(100);
    for (const QWidget* widget : window.findChildren<QWidget*>()) {
      if (!widget->isVisible()) continue;
      for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText,
                              QPalette::Base, QPalette::Window})
        QVERIFY2(!gone.count(widget->palette().color(role).rgb()),
                 qPrintable(QStringLiteral("page %1: %2 “%3” keeps %4")
                                .arg(page)
                                .arg(QLatin1String(widget->metaObject()->className()),
                                     widget->objectName(), widget->palette().color(role).name())));
    }
    const QImage picture = window.grab().toImage().convertToFormat(QImage::Format_RGB32);
    QString kept;
    for (int y = 0; y < picture.height(); ++y) {
      const auto* line = reinterpret_cast<const QRgb*>(picture.constScanLine(y));
      for (int x = 0; x < picture.width(); ++x)
        if (gone_inks.count(line[x] | 0xFF000000U))
          kept = QStringLiteral("page %1 has %2 at %3, %4")
                     .arg(page)
                     .arg(QColor(line[x]).name())
                     .arg(x)
                     .arg(y);
    }
    QVERIFY2(kept.isEmpty(), qPrintable(kept));
  }
}

void TestFrame::nothing_is_cut_off_data() {
  QTest::addColumn<QString>("language");
  QTest::addColumn<QSize>("size");
  for (const char* language : {"en", "ko"})
    for (const QSize size : {QSize(1280, 800), QSize(1024, 700)})
      QTest::addRow("%s %dx%d", language, size.width(), size.height())
          << QString::fromLatin1(language) << size;
}

/// The first text on screen that has not the room that it needs.
static QString what_is_cut_off(const QWidget& window) {
  const auto narrow = [](const QWidget* widget, const QString& text, int needed) {
    const bool any = widget->sizePolicy().horizontalPolicy() == QSizePolicy::Ignored;
    return widget->isVisible() && !text.isEmpty() && !any && widget->width() + 1 < needed;
  };
  const auto width = [](const QWidget* widget, const QString& text) {
    return widget->fontMetrics().size(Qt::TextShowMnemonic, text).width();
  };
  for (const QAbstractButton* button : window.findChildren<QAbstractButton*>()) {
    int needed = 0;
    if (qobject_cast<const QPushButton*>(button))
      needed = width(button, button->text()) + (button->icon().isNull() ? 4 : 22);
    else if (qobject_cast<const QToolButton*>(button))
      needed = width(button, button->text());
    else if (qobject_cast<const QCheckBox*>(button))
      needed = button->sizeHint().width() - 4;
    if (narrow(button, button->text(), needed))
      return QStringLiteral("“%1” needs %2").arg(button->text()).arg(needed);
  }
  for (const QLabel* label : window.findChildren<QLabel*>()) {
    if (!label->isVisible() || label->text().isEmpty()) continue;
    if (label->wordWrap() && label->height() + 3 < label->heightForWidth(label->width()))
      return QStringLiteral("“%1” is cut below").arg(label->text());
    if (!label->wordWrap() && narrow(label, label->text(), label->sizeHint().width()))
      return QStringLiteral("“%1” has %2").arg(label->text()).arg(label->width());
  }
  return {};
}

void TestFrame::nothing_is_cut_off() {
  QFETCH(QString, language);
  QFETCH(QSize, size);
  Language::instance().choose(language);
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  MainWindow window;
  window.resize(size);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  QCOMPARE(window.size(), size);
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    QTest::qWait(150);
    if (page == static_cast<int>(PageId::Train)) person.click("advancedToggle");
    QTest::qWait(50);
    QCOMPARE(window.size(), size);
    // Layouts follow a text at the event loop's leisure: on a busy machine that may take a while.
    WAIT_UNTIL_EQUAL(what_is_cut_off(window), QString());
  }
}

void TestFrame::everything_has_a_name_and_takes_the_keyboard() {
  MainWindow window;
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    for (const QWidget* widget : window.findChildren<QWidget*>()) {
      if (!widget->isVisible() || !widget->isEnabled()) continue;
      const auto* button = qobject_cast<const QAbstractButton*>(widget);
      const bool control = button || qobject_cast<const QLineEdit*>(widget) ||
                           qobject_cast<const QComboBox*>(widget) ||
                           qobject_cast<const QSlider*>(widget);
      if (!control || widget->objectName().startsWith(QLatin1String("qt_"))) continue;
      const bool named =
          !widget->accessibleName().isEmpty() || (button && !button->text().isEmpty());
      const bool inside = qobject_cast<const QLineEdit*>(widget) &&
                          (qobject_cast<const QComboBox*>(widget->parent()) ||
                           qobject_cast<const QAbstractSpinBox*>(widget->parent()));
      const bool clear =
          widget->parentWidget() &&
          qobject_cast<const QLineEdit*>(widget->parentWidget());  // Qt's own clear button
      QVERIFY2(named || inside || clear,
               qPrintable(QStringLiteral("no name: %1 “%2” of %3")
                              .arg(QLatin1String(widget->metaObject()->className()),
                                   widget->objectName(), widget->parent()->objectName())));
      QVERIFY2(!widget->objectName().isEmpty() || inside || clear,
               qPrintable(QStringLiteral("no objectName: %1")
                              .arg(QLatin1String(widget->metaObject()->className()))));
    }
  }
}

void TestFrame::figures_are_of_one_width() {
  const QFontMetrics metrics(QApplication::font());
  for (char digit = '1'; digit <= '9'; ++digit)
    QCOMPARE(metrics.horizontalAdvance(QLatin1Char(digit)),
             metrics.horizontalAdvance(QLatin1Char('0')));
}

void TestFrame::colours_can_be_read_data() {
  QTest::addColumn<bool>("dark");
  QTest::newRow("light") << false;
  QTest::newRow("dark") << true;
}

void TestFrame::colours_can_be_read() {
  QFETCH(bool, dark);
  Theme::instance().choose(dark ? Theme::Choice::Dark : Theme::Choice::Light);
  const auto back = qScopeGuard([] { Theme::instance().choose(Theme::Choice::Light); });
  // WCAG contrast of words on their ground.
  const auto luminance = [](const QColor& colour) {
    const auto part = [](double v) {
      return v <= 0.03928 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * part(colour.redF()) + 0.7152 * part(colour.greenF()) +
           0.0722 * part(colour.blueF());
  };
  const auto contrast = [&](const QColor& a, const QColor& b) {
    return (std::max(luminance(a), luminance(b)) + 0.05) /
           (std::min(luminance(a), luminance(b)) + 0.05);
  };
  const Colours& c = colours();
  for (const QColor& ink : {c.text, c.muted, c.accent, c.warning, c.error, c.good})
    for (const QColor& ground : {c.card, c.window})
      QVERIFY2(contrast(ink, ground) >= 4.5, qPrintable(ink.name() + " on " + ground.name()));
  QVERIFY(contrast(c.on_accent, c.accent) >= 4.5);
}

QTEST_MAIN(TestFrame)
#include "test_frame.moc"
