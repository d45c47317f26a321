// SPDX-License-Identifier: GPL-3.0-or-later
// Korean is whole: no text is left unfinished, and every word that reaches the window as data is
// translated.
#include <QtTest>

#include "engine/config/chosen_field.h"
#include "engine/runs/run_records.h"
#include "engine/session/session.h"
#include "ui/language.h"

using namespace luthier;

class TestWords : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { Language::instance().choose(QStringLiteral("ko")); }
  void no_text_is_unfinished_data();
  void no_text_is_unfinished();
  void placeholders_are_kept();
  void recipe_fields_are_translated();
  void states_are_translated();
  void progress_is_translated();
};

void TestWords::no_text_is_unfinished_data() {
  QTest::addColumn<QString>("file");
  QTest::newRow("ko") << QStringLiteral(LUTHIER_SOURCE_DIR "/translations/luthier_ko.ts");
  QTest::newRow("en") << QStringLiteral(LUTHIER_SOURCE_DIR "/translations/luthier_en.ts");
}

void TestWords::no_text_is_unfinished() {
  QFETCH(QString, file);
  QFile in(file);
  QVERIFY(in.open(QIODevice::ReadOnly));
  const QString text = QString::fromUtf8(in.readAll());
  QVERIFY(!text.contains(QLatin1String("type=\"unfinished\"")));
  QVERIFY(!text.contains(QLatin1String("type=\"vanished\"")));
  QVERIFY(!text.contains(QLatin1String("<translation></translation>")) &&
          !text.contains(QLatin1String("<translation />")));
  QVERIFY(text.count(QLatin1String("<source>")) > 300);
}

void TestWords::placeholders_are_kept() {
  QFile in(QStringLiteral(LUTHIER_SOURCE_DIR "/translations/luthier_ko.ts"));
  QVERIFY(in.open(QIODevice::ReadOnly));
  static const QRegularExpression message(
      QStringLiteral("<source>(.*?)</source>\\s*<translation>(.*?)</translation>"),
      QRegularExpression::DotMatchesEverythingOption);
  static const QRegularExpression mark(QStringLiteral("%[1-9n]"));
  auto each = message.globalMatch(QString::fromUtf8(in.readAll()));
  int count = 0;
  while (each.hasNext()) {
    const auto found = each.next();
    const auto marks = [&](const QString& text) {
      QStringList list;
      for (auto it = mark.globalMatch(text); it.hasNext();) list << it.next().captured();
      list.sort();
      list.removeDuplicates();
      return list;
    };
    QCOMPARE(marks(found.captured(2)), marks(found.captured(1)));
    ++count;
  }
  QVERIFY(count > 300);
}

void TestWords::recipe_fields_are_translated() {
  const auto has_korean = [](const QString& text) {
    return std::any_of(text.begin(), text.end(),
                       [](QChar c) { return c.unicode() >= 0xAC00 && c.unicode() <= 0xD7A3; });
  };
  static const QStringList same{QStringLiteral("DoRA")};
  std::vector<FieldDescription> all = recipe_fields();
  for (const RecipeField& other : fields_otherwise()) all.push_back(other.about);
  for (const FieldDescription& field : all) {
    for (const std::string* text : {&field.label, &field.help, &field.unit})
      if (!text->empty() && !same.contains(QString::fromStdString(*text)))
        QVERIFY2(has_korean(recipe_text(*text)), text->c_str());
    for (const std::string& sentence : field.choice_help)
      QVERIFY2(has_korean(recipe_text(sentence)), sentence.c_str());
    for (const std::string& choice : field.choices)
      QVERIFY2(recipe_text(choice).contains(QString::fromStdString(choice)),
               choice.c_str());  // the recipe's own word stays readable
  }
}

void TestWords::states_are_translated() {
  for (int i = 0; i <= static_cast<int>(SessionState::Stopping); ++i) {
    const std::string name = state_name(static_cast<SessionState>(i));
    QVERIFY2(state_text(name) != QString::fromStdString(name), name.c_str());
  }
  for (int i = 0; i <= static_cast<int>(RunState::Interrupted); ++i) {
    const std::string name = run_state_name(static_cast<RunState>(i));
    QVERIFY2(state_text(name) != QString::fromStdString(name), name.c_str());
  }
}

// What the engine says that it is at, wherever it says so.
void TestWords::progress_is_translated() {
  static const QRegularExpression said(
      QStringLiteral("(?:on_progress\\(|Progress\\{[^,\"]*,\\s*|kReadingWeights = )\"([^\"]+)\""));
  int count = 0;
  QDirIterator files(QStringLiteral(LUTHIER_SOURCE_DIR "/engine"), {QStringLiteral("*.cpp")},
                     QDir::Files, QDirIterator::Subdirectories);
  while (files.hasNext()) {
    QFile in(files.next());
    QVERIFY(in.open(QIODevice::ReadOnly));
    const QString text = QString::fromUtf8(in.readAll());
    for (auto each = said.globalMatch(text); each.hasNext(); ++count) {
      const QString words = each.next().captured(1);
      QVERIFY2(progress_text(words.toStdString()) != words, qPrintable(words));
    }
  }
  QVERIFY(count >= 8);
}

QTEST_GUILESS_MAIN(TestWords)
#include "test_words.moc"
