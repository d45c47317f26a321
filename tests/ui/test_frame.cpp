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
  QVERIFY(QTest::qWaitForWindowExposed(&window));
  Person person(window);
  QVERIFY(person.click("rail_compare"));
  QCOMPARE(window.current(), PageId::Compare);
  const Qt::Key keys[] = {Qt::Key_1, Qt::Key_2, Qt::Key_3, Qt::Key_4, Qt::Key_5};
  for (int i = 0; i < kPageCount; ++i) {
    QTest::keyClick(&window, keys[i], Qt::ControlModifier);
    QCOMPARE(static_cast<int>(window.current()), i);
  }
  // An empty state leads on: without a model, Compare sends to Model.
  QTest::keyClick(&window, Qt::Key_4, Qt::ControlModifier);
  QVERIFY(person.click("emptyCompare"));
  QCOMPARE(window.current(), PageId::Model);
}

void TestFrame::language_switches_while_open() {
  MainWindow window;
  window.show();
  QVERIFY(QTest::qWaitForWindowExposed(&window));
  Person person(window);
  auto* launch = person.find<QPushButton>("mainButton");
  QCOMPARE(launch->text(), QStringLiteral("Launch"));
  QVERIFY(person.choose("settingsButton", "language_ko"));
  QTRY_COMPARE(launch->text(), QStringLiteral("학습 시작"));
  QCOMPARE(person.find<QAbstractButton>("rail_train")->accessibleName(), QStringLiteral("학습"));
  // Every label and button that shows a Latin sentence now would be one that was forgotten.
  static const QRegularExpression english(QStringLiteral("[a-z]{3,} [a-z]{2,} [a-z]{3,}"));
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    QTest::qWait(20);
    for (const QLabel* label : window.findChildren<QLabel*>())
      if (label->isVisible()) QVERIFY2(!english.match(label->text()).hasMatch(), qPrintable(label->text()));
    for (const QAbstractButton* button : window.findChildren<QAbstractButton*>())
      if (button->isVisible()) QVERIFY2(!english.match(button->text()).hasMatch(), qPrintable(button->text()));
  }
  QVERIFY(person.choose("settingsButton", "language_en"));
  QTRY_COMPARE(launch->text(), QStringLiteral("Launch"));
}

void TestFrame::theme_switches_while_open() {
  MainWindow window;
  window.show();
  QVERIFY(QTest::qWaitForWindowExposed(&window));
  Person person(window);
  const auto corner = [&] { return window.grab().toImage().pixelColor(window.width() - 40, window.height() - 60).lightness(); };
  QVERIFY(person.choose("settingsButton", "theme_dark"));
  QTRY_VERIFY(corner() < 80);
  QVERIFY(person.choose("settingsButton", "theme_light"));
  QTRY_VERIFY(corner() > 200);
}

void TestFrame::nothing_is_cut_off_data() {
  QTest::addColumn<QString>("language");
  QTest::addColumn<QSize>("size");
  for (const char* language : {"en", "ko"})
    for (const QSize size : {QSize(1280, 800), QSize(1024, 700)})
      QTest::addRow("%s %dx%d", language, size.width(), size.height()) << QString::fromLatin1(language) << size;
}

void TestFrame::nothing_is_cut_off() {
  QFETCH(QString, language);
  QFETCH(QSize, size);
  Language::instance().choose(language);
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  MainWindow window;
  window.resize(size);
  window.show();
  QVERIFY(QTest::qWaitForWindowExposed(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  QCOMPARE(window.size(), size);
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    QTest::qWait(150);
    if (page == static_cast<int>(PageId::Train)) person.click("advancedToggle");
    QTest::qWait(50);
    QCOMPARE(window.size(), size);
    const auto check = [&](const QWidget* widget, const QString& text, int needed) {
      if (!widget->isVisible() || text.isEmpty() || widget->sizePolicy().horizontalPolicy() == QSizePolicy::Ignored) return;
      QVERIFY2(widget->width() + 1 >= needed, qPrintable(QStringLiteral("page %1: “%2” needs %3, has %4").arg(page).arg(text).arg(needed).arg(widget->width())));
    };
    for (const QPushButton* button : window.findChildren<QPushButton*>())
      check(button, button->text(), button->fontMetrics().size(Qt::TextShowMnemonic, button->text()).width() + (button->icon().isNull() ? 4 : 22));
    for (const QToolButton* button : window.findChildren<QToolButton*>())
      check(button, button->text(), button->text().isEmpty() ? 0 : button->fontMetrics().size(Qt::TextShowMnemonic, button->text()).width());
    for (const QCheckBox* box : window.findChildren<QCheckBox*>()) check(box, box->text(), box->sizeHint().width() - 4);
    for (const QLabel* label : window.findChildren<QLabel*>()) {
      if (label->wordWrap()) {
        if (label->isVisible() && !label->text().isEmpty())
          QVERIFY2(label->height() + 3 >= label->heightForWidth(label->width()), qPrintable(QStringLiteral("page %1: “%2” is cut below").arg(page).arg(label->text())));
      } else {
        check(label, label->text(), label->sizeHint().width());
      }
    }
  }
}

void TestFrame::everything_has_a_name_and_takes_the_keyboard() {
  MainWindow window;
  window.show();
  QVERIFY(QTest::qWaitForWindowExposed(&window));
  for (int page = 0; page < kPageCount; ++page) {
    window.show_page(static_cast<PageId>(page));
    for (const QWidget* widget : window.findChildren<QWidget*>()) {
      if (!widget->isVisible() || !widget->isEnabled()) continue;
      const auto* button = qobject_cast<const QAbstractButton*>(widget);
      const bool control = button || qobject_cast<const QLineEdit*>(widget) || qobject_cast<const QComboBox*>(widget) || qobject_cast<const QSlider*>(widget);
      if (!control || widget->objectName().startsWith(QLatin1String("qt_"))) continue;
      const bool named = !widget->accessibleName().isEmpty() || (button && !button->text().isEmpty());
      const bool inside = qobject_cast<const QLineEdit*>(widget) && (qobject_cast<const QComboBox*>(widget->parent()) || qobject_cast<const QAbstractSpinBox*>(widget->parent()));
      const bool clear = widget->parentWidget() && qobject_cast<const QLineEdit*>(widget->parentWidget());   // Qt's own clear button
      QVERIFY2(named || inside || clear, qPrintable(QStringLiteral("no name: %1 “%2” of %3").arg(QLatin1String(widget->metaObject()->className()), widget->objectName(), widget->parent()->objectName())));
      QVERIFY2(!widget->objectName().isEmpty() || inside || clear, qPrintable(QStringLiteral("no objectName: %1").arg(QLatin1String(widget->metaObject()->className()))));
    }
  }
}

void TestFrame::figures_are_of_one_width() {
  const QFontMetrics metrics(QApplication::font());
  for (char digit = '1'; digit <= '9'; ++digit) QCOMPARE(metrics.horizontalAdvance(QLatin1Char(digit)), metrics.horizontalAdvance(QLatin1Char('0')));
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
    const auto part = [](double v) { return v <= 0.03928 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
    return 0.2126 * part(colour.redF()) + 0.7152 * part(colour.greenF()) + 0.0722 * part(colour.blueF());
  };
  const auto contrast = [&](const QColor& a, const QColor& b) { return (std::max(luminance(a), luminance(b)) + 0.05) / (std::min(luminance(a), luminance(b)) + 0.05); };
  const Colours& c = colours();
  for (const QColor& ink : {c.text, c.muted, c.accent, c.warning, c.error, c.good})
    for (const QColor& ground : {c.card, c.window}) QVERIFY2(contrast(ink, ground) >= 4.5, qPrintable(ink.name() + " on " + ground.name()));
  QVERIFY(contrast(c.on_accent, c.accent) >= 4.5);
}

QTEST_MAIN(TestFrame)
#include "test_frame.moc"
