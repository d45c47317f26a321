// SPDX-License-Identifier: GPL-3.0-or-later
// Help where a person is, made from the table of fields; the list of shortcuts, which are those
// that the window has; and the two sentences that every setting owes.
#include "engine/config/field_notes.h"
#include "tests/ui/form_desk.h"
#include "ui/desk/shortcuts.h"
#include "ui/help/help_text.h"
#include "ui/help/help_window.h"

using namespace luthier;
using luthier::test::FormDesk;
using luthier::test::object_of;

class TestHelp : public QObject, private FormDesk {
  Q_OBJECT

 private slots:
  void init() { open(); }
  void cleanup() { close(); }
  void every_setting_says_what_is_usual_and_what_it_costs();
  void f1_opens_where_one_is();
  void settings_are_found_by_their_words();
  void every_page_has_its_text();
  void the_list_is_what_the_window_does();

 private:
  QTextBrowser* text() const { return window_->help()->findChild<QTextBrowser*>("helpText"); }
};

void TestHelp::every_setting_says_what_is_usual_and_what_it_costs() {
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  for (const FieldDescription& field : recipe_fields()) {
    const FieldNote note = field_note(field.key);
    QVERIFY2(note.usual && note.cost, field.key.c_str());
    for (const QString& sentence : {QString(note.usual), QString(note.cost)}) {
      QVERIFY2(sentence.endsWith(QLatin1Char('.')), qPrintable(sentence));
      Language::instance().choose(QStringLiteral("ko"));
      const QString korean = recipe_text(sentence.toStdString());
      Language::instance().choose(QStringLiteral("en"));
      QVERIFY2(korean != sentence, qPrintable(sentence));
    }
  }
  QVERIFY(!field_note("no.field").usual && !field_note("r").usual);
  // A section's own note stands before the one that all share.
  QVERIFY(QString(field_note("grpo.beta").usual) != field_note("dpo.beta").usual);
  // The tip of a field has them too.
  QVERIFY(line("adapter.r")->toolTip().contains("8 to 64"));
  QVERIFY(line("adapter.r")->accessibleDescription().contains("memory"));
}

void TestHelp::f1_opens_where_one_is() {
  line("adapter.r")->setFocus();
  QTest::keyClick(line("adapter.r"), Qt::Key_F1);
  QVERIFY(window_->help() && window_->help()->isVisible());
  QCOMPARE(window_->help()->place(), QStringLiteral("field:adapter.r"));
  const QString shown = text()->toPlainText();
  for (const char* part :
       {"Rank", "8 to 64", "More of it takes more memory", "16", "1 to 65536", "adapter.r"})
    QVERIFY2(shown.contains(QLatin1String(part)), qPrintable(shown));
  window_->help()->hide();
  QApplication::setActiveWindow(window_.get());
  WAIT_UNTIL(window_->isActiveWindow());
  window_->show_page(PageId::Data);
  person_->find<QLineEdit>("dataPath")->setFocus();
  QTest::keyClick(window_.get(), Qt::Key_F1);
  QCOMPARE(window_->help()->place(), page_link(PageId::Data));
  QVERIFY(text()->toPlainText().startsWith("Data"));
  // It follows the language while it is open.
  const auto back = qScopeGuard([] { Language::instance().choose(QStringLiteral("en")); });
  Language::instance().choose(QStringLiteral("ko"));
  WAIT_UNTIL(text()->toPlainText().startsWith(QStringLiteral("데이터")));
}

void TestHelp::settings_are_found_by_their_words() {
  QVERIFY(person_->choose("helpButton", "ask_help"));
  auto* find = window_->help()->findChild<QLineEdit*>("findHelp");
  find->setFocus();
  QTest::keyClicks(find, QStringLiteral("learning tower"));
  QCOMPARE(window_->help()->place(), QStringLiteral("fields"));
  QVERIFY(text()->toPlainText().contains("Learning rate of the tower"));
  QVERIFY(!text()->toPlainText().contains("LoRA dropout"));
  find->clear();
  QTest::keyClicks(find, QStringLiteral("zzz"));
  QVERIFY(text()->toPlainText().contains("No setting has these words."));
  // A link leads to the setting.
  emit text()->anchorClicked(QUrl(field_link("training.vision_tower_learning_rate")));
  QVERIFY(text()->toPlainText().startsWith("Learning rate of the tower"));
}

void TestHelp::every_page_has_its_text() {
  QStringList titles;
  for (int i = 0; i < kPageCount; ++i) {
    const auto page = static_cast<PageId>(i);
    QVERIFY(page_help(page).contains("<p>"));
    titles << page_title(page);
  }
  QCOMPARE(titles.removeDuplicates(), 0);
}

void TestHelp::the_list_is_what_the_window_does() {
  // What the window and its parts answer to.
  QSet<QString> held;
  for (const QAction* action : window_->findChildren<QAction*>())
    if (!action->shortcut().isEmpty()) held << action->shortcut().toString();
  for (const QAbstractButton* button : window_->findChildren<QAbstractButton*>())
    if (!button->shortcut().isEmpty() && !button->shortcut().toString().startsWith("Alt+"))
      held << button->shortcut().toString();
  QSet<QString> listed;
  for (const Shortcut& shortcut : shortcuts()) {
    const QString keys = shortcut.keys.toString();
    QVERIFY2(!listed.contains(keys), qPrintable("twice: " + keys));
    QVERIFY2(held.contains(keys), qPrintable("nobody answers to " + keys));
    listed << keys;
  }
  for (const QString& keys : held) QVERIFY2(listed.contains(keys), qPrintable("not told: " + keys));
  // And the dialog shows them; its table copies.
  QTest::keyClick(window_.get(), Qt::Key_F1, Qt::ControlModifier);
  auto* table = window_->findChild<QTableWidget*>("shortcutTable");
  QVERIFY(table && table->isVisible());
  QCOMPARE(table->rowCount(), static_cast<int>(shortcuts().size()));
  QApplication::setActiveWindow(table->window());
  WAIT_UNTIL(table->window()->isActiveWindow());
  table->setFocus();
  QTest::keyClick(table, Qt::Key_C, Qt::ControlModifier);
  QVERIFY(QApplication::clipboard()->text().contains("Ctrl+Z\tUndo the last change"));
}

QTEST_MAIN(TestHelp)
#include "test_help.moc"
