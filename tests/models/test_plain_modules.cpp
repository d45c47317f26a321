// SPDX-License-Identifier: GPL-3.0-or-later
// Which linears stay plain in a packed model, by lists as checkpoints carry them.
#include <QtTest>

#include "engine/models/plain_modules.h"

using namespace luthier;

class TestPlainModules : public QObject {
  Q_OBJECT

 private slots:
  void linears_that_stay_data() {
    QTest::addColumn<QString>("list");
    QTest::addColumn<QString>("module");
    QTest::addColumn<bool>("stays");
    QTest::newRow("the head") << "null"
                              << "lm_head" << true;
    QTest::newRow("another") << "null"
                             << "model.layers.0.q_proj" << false;
    QTest::newRow("a list leaves the head out") << "[\"q_proj\"]"
                                                << "lm_head" << false;
    QTest::newRow("an ending") << "[\"q_proj\"]"
                               << "model.layers.0.q_proj" << true;
    QTest::newRow("a beginning") << "[\"model.vision\"]"
                                 << "model.vision_tower.fc1" << true;
    QTest::newRow("not in the middle") << "[\"layers.0\"]"
                                       << "model.layers.0.q_proj" << false;
    QTest::newRow("an expression") << R"([".*layers\\.0\\."])"
                                   << "model.layers.0.q_proj" << true;
    QTest::newRow("an empty list") << "[]"
                                   << "lm_head" << false;
  }
  void linears_that_stay() {
    QFETCH(QString, list);
    QFETCH(QString, module);
    QFETCH(bool, stays);
    const Json settings = {{"llm_int8_skip_modules", Json::parse(list.toStdString())}};
    const auto plain = PlainModules::read(settings, "lm_head", "here");
    QVERIFY(plain.ok());
    const auto found = plain->contains(module.toStdString());
    QVERIFY(found.ok());
    QCOMPARE(*found, stays);
  }

  void a_list_that_is_none() {
    for (const Json& list : {Json("lm_head"), Json{1}, Json{"("}, Json{"a)|(b"}}) {
      const auto plain = PlainModules::read({{"llm_int8_skip_modules", list}}, "lm_head", "here");
      QVERIFY(!plain.ok());
      QVERIFY(plain.error().sentence().find("llm_int8_skip_modules") != std::string::npos);
    }
  }

  /// A list from a file of somebody else's: it must neither hang nor run out of stack.
  void an_expression_without_end() {
    const std::string name = "model.layers.0." + std::string(60, 'a');
    for (const char* text : {"(a|model|\\.|layers|0|[a-z]+)*b", ".*(a*)*(a*)*(a*)*(a*)*b"}) {
      const auto plain =
          PlainModules::read({{"llm_int8_skip_modules", Json{text}}}, "lm_head", "here");
      QVERIFY(plain.ok());
      const auto found = plain->contains(name);
      if (found) {
        QVERIFY(!*found);
      } else {
        QVERIFY(found.error().sentence().find("takes too long") != std::string::npos);
      }
    }
  }
};

QTEST_APPLESS_MAIN(TestPlainModules)
#include "test_plain_modules.moc"
