// SPDX-License-Identifier: GPL-3.0-or-later
// YAML as JSON: how scalars are typed, and what is refused before it can grow.
#include <QtTest>

#include <clocale>

#include "engine/io/yaml.h"

using namespace luthier;

class TestYaml : public QObject {
  Q_OBJECT

 private slots:
  void scalars_data() {
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("json");
    const auto row = [](const char* text, const char* json) {
      QTest::newRow(text) << text << json;
    };
    row("2e-4", "0.0002");
    row("2.0e-4", "0.0002");
    row("2.0E+4", "20000.0");
    row("+1.5", "1.5");
    row(".5", "0.5");
    row("5.", "5.0");
    row("17", "17");
    row("-17", "-17");
    row("+17", "17");
    row("007", "7");
    row("0x1F", "31");
    row("0o17", "15");
    row("9223372036854775807", "9223372036854775807");
    row("18446744073709551615", "18446744073709551615");
    row("true", "true");
    row("False", "false");
    row("yes", "\"yes\"");
    row("on", "\"on\"");
    row("null", "null");
    row("~", "null");
    row("", "null");
    row("\"null\"", "\"null\"");
    row("'2e-4'", "\"2e-4\"");
    row("!!str 12", "\"12\"");
    row("1e", "\"1e\"");
    row("1.2.3", "\"1.2.3\"");
    row("-", "[null]");
    row("12:30", "\"12:30\"");
    row("2026-01-01", "\"2026-01-01\"");
    row("all-linear", "\"all-linear\"");
    row("\xed\x95\x9c", "\"\xed\x95\x9c\"");
  }

  void scalars() {
    QFETCH(QString, text);
    QFETCH(QString, json);
    const auto parsed = parse_yaml(text.toStdString(), "recipe.yaml");
    QVERIFY2(parsed.ok(), parsed.ok() ? "" : parsed.error().sentence().c_str());
    QCOMPARE(QString::fromStdString(parsed->dump()), json);
  }

  void numbersDoNotDependOnTheLocale() {
    const std::string before = std::setlocale(LC_NUMERIC, nullptr);
    bool found = false;
    for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"})
      found = found || std::setlocale(LC_NUMERIC, name);
    const auto parsed = parse_yaml("a: 2.5e-1", "f");
    std::setlocale(LC_NUMERIC, before.c_str());
    QCOMPARE(parsed->at("a").get<double>(), 0.25);
    if (!found)
      QSKIP("no locale with a decimal comma is installed; the number was read in the one that is");
  }

  void documents() {
    const auto parsed = parse_yaml(
        "# a recipe\nmodel: m\ndataset: [a.jsonl, 'b.jsonl']\nadapter: {r: 8, rank_pattern: "
        "{}}\ntraining:\n  seed: 1\n  list:\n  - x\n  - {y: z}\n",
        "f");
    QVERIFY(parsed.ok());
    QCOMPARE(parsed->dump(),
             std::string(
                 "{\"model\":\"m\",\"dataset\":[\"a.jsonl\",\"b.jsonl\"],\"adapter\":{\"r\":8,"
                 "\"rank_pattern\":{}},\"training\":{\"seed\":1,\"list\":[\"x\",{\"y\":\"z\"}]}}"));
    QCOMPARE(parse_yaml("[[1, 2], [[]], {a: [3]}]", "f")->dump(),
             std::string("[[1,2],[[]],{\"a\":[3]}]"));
    QVERIFY(parse_yaml("", "f")->is_null());
    QVERIFY(parse_yaml("# only this\n", "f")->is_null());
  }

  void refuses_data() {
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QString>("says");
    QTest::newRow("duplicate") << QByteArray("a: 1\nb: 2\na: 3\n") << "line 3";
    QTest::newRow("alias") << QByteArray("a: &x [1]\nb: *x\n") << "Anchors";
    QTest::newRow("unknown alias") << QByteArray("b: *x\n") << "line 1";
    QByteArray bomb("a0: &a0 [x, x]\n");
    for (int i = 1; i < 30; ++i)
      bomb += "a" + QByteArray::number(i) + ": &a" + QByteArray::number(i) + " [*a" +
              QByteArray::number(i - 1) + ", *a" + QByteArray::number(i - 1) + "]\n";
    QTest::newRow("bomb") << bomb << "Anchors";
    QTest::newRow("tag") << QByteArray("a: !!python/object:os.system x\n") << "tag";
    QTest::newRow("tagged map") << QByteArray("a: !thing {b: 1}\n") << "tag";
    QTest::newRow("list as a key") << QByteArray("[1, 2]: x\n") << "key";
    QTest::newRow("two documents") << QByteArray("a: 1\n---\nb: 2\n") << "more than one";
    QTest::newRow("tabs") << QByteArray("a:\n\t- x\n") << "line 2";
    QTest::newRow("open bracket") << QByteArray("a: [1, 2\n") << "not valid YAML";
    QTest::newRow("open quote at the end") << QByteArray("a: \"b") << "never closed";
    QTest::newRow("open quote before a line end")
        << QByteArray("a: 1\nb: \"c\nd: 2\n") << "line 2, column 4: a quote that opens here";
    QTest::newRow("open single quote") << QByteArray("a: 'it''s\n\n") << "never closed";
    QTest::newRow("open quote in a list") << QByteArray("- a\n- \"b\n") << "line 2, column 3";
    QTest::newRow("deep flow") << "a: " + QByteArray(200, '[') + QByteArray(200, ']') << "deep";
    QTest::newRow("deep block") << QByteArray("- ").repeated(2000) << "deep";
    QTest::newRow("not UTF-8") << QByteArray("a: \xff\n") << "UTF-8";
    QTest::newRow("escape that is no character") << QByteArray("a: \"\\N\"") << "UTF-8";
    QTest::newRow("surrogate") << QByteArray("a: \"\\uD800\"") << "recipe.yaml";
    QTest::newRow("zero byte") << QByteArray("a: \0x\n", 7) << "UTF-8";
    QTest::newRow("too large") << QByteArray((4 << 20) + 1, '#') << "bytes";
  }

  void quotes_over_several_lines_are_closed() {
    const auto parsed =
        parse_yaml("a: \"b\n  c\"\nd: 'it''s'\ne: |\n  \"not a quote\nf: it's\n", "recipe.yaml");
    QVERIFY2(parsed.ok(), parsed ? "" : parsed.error().sentence().c_str());
    QCOMPARE((*parsed)["a"].get<std::string>(), std::string("b c"));
    QCOMPARE((*parsed)["e"].get<std::string>(), std::string("\"not a quote\n"));
  }

  void refuses() {
    QFETCH(QByteArray, text);
    QFETCH(QString, says);
    const auto parsed = parse_yaml(
        std::string(text.constData(), static_cast<std::size_t>(text.size())), "recipe.yaml");
    QVERIFY(!parsed.ok());
    const std::string sentence = parsed.error().sentence();
    QVERIFY2(QString::fromStdString(sentence).contains(says), sentence.c_str());
    QVERIFY2(sentence.starts_with("recipe.yaml: "), sentence.c_str());
    QCOMPARE(parsed.error().exit_status(), 2);
  }
};

QTEST_APPLESS_MAIN(TestYaml)
#include "test_yaml.moc"
