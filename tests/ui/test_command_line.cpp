// SPDX-License-Identifier: GPL-3.0-or-later
// The command that does what the form shows: it names a file that is there and means the same
// recipe.
#include "tests/ui/form_desk.h"
#include "ui/train/command_line.h"

using namespace luthier;
using luthier::test::object_of;

namespace {

/// A command line as a shell splits it: spaces between words, single quotes, a backslash before a
/// quote outside of them.
QStringList shell_words(const QString& text) {
  QStringList words{QString()};
  bool quoted = false;
  for (qsizetype i = 0; i < text.size(); ++i) {
    if (text[i] == QLatin1Char('\''))
      quoted = !quoted;
    else if (text[i] == QLatin1Char('\\') && !quoted)
      words.last() += text[++i];
    else if (text[i] == QLatin1Char(' ') && !quoted)
      words << QString();
    else
      words.last() += text[i];
  }
  return words;
}

}  // namespace

class TestCommandLine : public QObject, protected luthier::test::FormDesk {
  Q_OBJECT

 private slots:
  void init() { open(); }
  void cleanup() { close(); }
  void the_command_names_a_file_that_is_there();
  void the_command_means_these_settings();
};

void TestCommandLine::the_command_names_a_file_that_is_there() {
  QVERIFY(workspace().set_field("adapter.r", "8").ok());
  QVERIFY(person_->choose("recipeMenuButton", "showCommand"));
  auto* dialog = window_->findChild<QDialog*>("commandDialog");
  WAIT_UNTIL(dialog && dialog->isVisible());
  auto* text = dialog->findChild<QPlainTextEdit*>("commandText");
  const QString command = text->toPlainText();
  const QString file =
      command.section(QStringLiteral(" train "), 1).section(QLatin1Char(' '), 0, 0);
  QVERIFY2(QFileInfo(file).isFile() && QFileInfo(file).isAbsolute(), qPrintable(command));
  const auto read = read_recipe(to_path(file));
  QVERIFY(read.ok());
  QVERIFY(recipe_differences(*read, workspace().recipe()).empty());
  // Whole: the longest path wraps, and no bar hides its end.
  QCOMPARE(text->lineWrapMode(), QPlainTextEdit::WidgetWidth);
  QCOMPARE(text->wordWrapMode(), QTextOption::WrapAtWordBoundaryOrAnywhere);
  QVERIFY(text->document()->documentLayout()->documentSize().width() <=
          text->viewport()->width() + 1);
  QVERIFY(text->textInteractionFlags() & Qt::TextSelectableByMouse);
  QTest::mouseClick(dialog->findChild<QPushButton*>("commandCopy"), Qt::LeftButton);
  QCOMPARE(QGuiApplication::clipboard()->text(), command);
  QTest::keyClick(dialog, Qt::Key_Escape);
}

void TestCommandLine::the_command_means_these_settings() {
  // By the recipe's own file, with what was changed since; also where another method moves
  // defaults.
  const QString file = desk_.folder.filePath(QStringLiteral("own recipe.yaml"));
  QVERIFY(workspace().save_recipe(file).ok());
  QVERIFY(workspace().set_field("strategy", "freeze").ok());
  QVERIFY(workspace().set_field("training.learning_rate", "2e-4").ok());
  QVERIFY(workspace().set_field("adapter.target_modules", "it's|(odd)").ok());
  const auto command = equivalent_command(workspace());
  QVERIFY(command.ok() && !command->written);
  QCOMPARE(command->file, file);
  QVERIFY(command->text.contains(QLatin1Char('\'') + file + QLatin1Char('\'')));
  QStringList words = shell_words(command->text);
  std::vector<std::string> settings;
  for (qsizetype i = 0; i + 1 < words.size(); ++i)
    if (words[i] == QLatin1String("--set")) settings.push_back(words[i + 1].toStdString());
  const auto read = read_recipe(to_path(file), settings);
  QVERIFY2(read.ok(), read.ok() ? "" : read.error().sentence().c_str());
  for (const FieldDifference& d : recipe_differences(*read, workspace().recipe()))
    QFAIL(d.key.c_str());
  // The file went away: another one is named.
  QVERIFY(QFile::remove(file));
  const auto again = equivalent_command(workspace());
  QVERIFY(again.ok() && again->written && QFileInfo::exists(again->file));
}

QTEST_MAIN(TestCommandLine)
#include "test_command_line.moc"
