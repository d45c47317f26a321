// SPDX-License-Identifier: GPL-3.0-or-later
// JSON behind limits: what is refused, what errors say, and that size alone costs no more than
// linear time.
#include <QtTest>

#include "engine/io/json.h"
#include "tests/patience.h"

using namespace luthier;

class TestJson : public QObject {
  Q_OBJECT

 private slots:
  void keepsTheOrderOfKeys() {
    const auto json = parse_json("{\"z\":1,\"a\":[true,null,\"x\\u00e9\",-2.5e-3],\"m\":{}}", "f");
    QVERIFY(json.ok());
    QCOMPARE(json->dump(),
             std::string("{\"z\":1,\"a\":[true,null,\"x\xc3\xa9\",-0.0025],\"m\":{}}"));
    const auto sorted = parse_sorted_json("{\"z\":1,\"a\":2}", "f");
    QVERIFY(sorted.ok());
    QCOMPARE(sorted->dump(), std::string("{\"a\":2,\"z\":1}"));
  }

  void refuses_data() {
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QString>("says");
    QTest::newRow("nothing") << QByteArray("") << "too early";
    QTest::newRow("cut") << QByteArray("{\"a\":[1,") << "too early";
    QTest::newRow("tail") << QByteArray("{}\n  x") << "line 2, column 3";
    QTest::newRow("bad word") << QByteArray("{\n\"a\": nothing}") << "line 2";
    QTest::newRow("duplicate") << QByteArray("{\"a\":1,\"b\":2,\"a\":3}") << "\"a\" stands twice";
    QTest::newRow("duplicate, nested")
        << QByteArray("[{\"x\":{\"a\":1,\"a\":2}}]") << "stands twice";
    QTest::newRow("invalid UTF-8") << QByteArray("{\"a\":\"\xff\"}") << "not valid JSON";
    QTest::newRow("overlong UTF-8") << QByteArray("[\"\xc0\x80\"]") << "not valid JSON";
    QTest::newRow("lone surrogate") << QByteArray("[\"\\ud800\"]") << "not valid JSON";
    QTest::newRow("zero byte") << QByteArray("{}\0", 3) << "zero byte";
    QTest::newRow("comment") << QByteArray("{} // c") << "not valid JSON";
    QTest::newRow("NaN") << QByteArray("[NaN]") << "not valid JSON";
    QTest::newRow("too large a number") << QByteArray("[1e999]") << "too large";
    QTest::newRow("deep lists") << QByteArray(1000000, '[') << "64 deep";
    QTest::newRow("deep objects") << QByteArray("{\"a\":").repeated(100000) << "64 deep";
    QByteArray many("{");
    for (int i = 0; i < 40; ++i) many += "\"k" + QByteArray::number(i) + "\":0,";
    QTest::newRow("duplicate among many") << many + "\"k3\":1}"
                                          << "\"k3\" stands twice";
    QTest::newRow("duplicate late among many") << many + "\"z\":1,\"z\":2}"
                                               << "\"z\" stands twice";
  }

  void refuses() {
    QFETCH(QByteArray, text);
    QFETCH(QString, says);
    for (const bool sorted : {false, true}) {
      const std::string_view view(text.constData(), static_cast<std::size_t>(text.size()));
      std::string sentence;
      if (sorted) {
        const auto json = parse_sorted_json(view, "model/config.json");
        if (!json.ok()) sentence = json.error().sentence();
      } else {
        const auto json = parse_json(view, "model/config.json");
        if (!json.ok()) sentence = json.error().sentence();
      }
      QVERIFY2(QString::fromStdString(sentence).contains(says), sentence.c_str());
      QVERIFY(sentence.starts_with("model/config.json"));
      QVERIFY(sentence.size() < 400);
    }
  }

  void limits() {
    QVERIFY(parse_json(std::string(64, '[') + std::string(64, ']'), "f").ok());
    QVERIFY(!parse_json(std::string(65, '[') + std::string(65, ']'), "f").ok());
    QVERIFY(parse_json("[[]]", "f", {2, 4}).ok());
    QVERIFY(!parse_json("[[ ]]", "f", {2, 4}).ok());
  }

  void manyKeysTakeLittleTime() {
    const auto with_keys = [](int count) {
      std::string text = "{";
      for (int i = 0; i < count; ++i) {
        text += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":" + std::to_string(i);
      }
      return text + "}";
    };
    const std::string few = with_keys(3'000), many = with_keys(192'000);
    const auto plain = [](const std::string& text) {
      return [&] { return parse_json(text, "f").ok(); };
    };
    const auto sorted = [](const std::string& text) {
      return [&] { return parse_sorted_json(text, "f").ok(); };
    };
    QVERIFY(plain(many)() && sorted(many)());
    const double of_plain = test::growth(plain(few), plain(many));
    const double of_sorted = test::growth(sorted(few), sorted(many));
    QVERIFY2(
        of_plain < test::kEven && of_sorted < test::kEven,
        qPrintable(QString("%1, %2 times for 64 times the keys").arg(of_plain).arg(of_sorted)));
  }

  void fields() {
    const Json json = parse_json(
                          "{\"n\":7,\"f\":7.0,\"h\":7.5,\"t\":true,\"s\":\"x\",\"z\":null,\"big\":"
                          "18446744073709551615,\"huge\":1e300}",
                          "f")
                          .take();
    QCOMPARE(*json_int(json, "n", "c"), std::int64_t(7));
    QCOMPARE(*json_int(json, "f", "c"), std::int64_t(7));
    QCOMPARE(*json_int(json, "z", "c", 5), std::int64_t(5));
    QCOMPARE(*json_int(json, "absent", "c", 6), std::int64_t(6));
    QCOMPARE(*json_number(json, "h", "c", 0), 7.5);
    QCOMPARE(*json_number(json, "n", "c", 0), 7.0);
    QCOMPARE(*json_bool(json, "t", "c", false), true);
    QCOMPARE(*json_string(json, "s", "c"), std::string("x"));
    QCOMPARE(*json_string(json, "z", "c", "d"), std::string("d"));
    QCOMPARE(json_int(json, "absent", "config.json").error().where,
             std::string("config.json: absent"));
    for (const char* key : {"h", "t", "s", "big", "huge"})
      QVERIFY(!json_int(json, key, "c", 1).ok());
    QVERIFY(!json_bool(json, "n", "c", true).ok());
    QVERIFY(!json_string(json, "n", "c").ok());
    QVERIFY(!json_number(json, "s", "c", 0).ok());
    QVERIFY(!json_int(Json::array(), "n", "c", 1).ok());
    QVERIFY(json_string(json, "n", "c").error().sentence().find("not a whole number") !=
            std::string::npos);
  }

  void files() {
    QTemporaryDir folder;
    const std::filesystem::path path = folder.path().toStdString();
    const auto absent = read_json_file(path / "config.json");
    QVERIFY(!absent.ok());
    QCOMPARE(absent.error().exit_status(), 2);
    QVERIFY(absent.error().sentence().find("config.json: This file does not exist") !=
            std::string::npos);
    QVERIFY(!read_json_file(path).ok());
  }
};

QTEST_APPLESS_MAIN(TestJson)
#include "test_json.moc"
