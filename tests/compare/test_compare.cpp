// SPDX-License-Identifier: GPL-3.0-or-later
// Scores by known values, the page's safety against hostile answers, the document's shape.
#include <QtTest>

#include "engine/compare/comparison.h"
#include "engine/compare/html.h"
#include "engine/compare/scores.h"

using namespace luthier;

class TestCompare : public QObject {
  Q_OBJECT

 private slots:
  void scores_answers() {
    auto scores = score_answer(" a red circle\n", "a red circle");
    QCOMPARE(scores["exact"], 1.0);
    QCOMPARE(scores["token_f1"], 1.0);
    QCOMPARE(scores["chrf"], 1.0);
    QVERIFY(!scores.contains("json"));
    QCOMPARE(token_f1("a red circle", "a blue circle"), 2.0 / 3.0);
    QCOMPARE(token_f1("", "a"), 0.0);
    QCOMPARE(chrf("빨간 원", "빨간 원"), 1.0);
    QVERIFY(chrf("빨간 원", "파란 원") > 0 && chrf("빨간 원", "파란 원") < 1);
    QCOMPARE(score_answer("{\"a\": 1}", "{\"a\": 2}")["json"], 1.0);
    QCOMPARE(score_answer("{\"a\": ", "{\"a\": 2}")["json"], 0.0);
  }

  void escapes_everything() {
    QCOMPARE(html_escaped("<script>\"'&"), std::string("&lt;script&gt;&quot;&#39;&amp;"));
    QCOMPARE(html_escaped("a\xff" "b"), std::string("a\xEF\xBF\xBD" "b"));
    QCOMPARE(html_escaped(std::string("a\x01" "b")), std::string("a\xEF\xBF\xBD" "b"));
  }

  void marks_differing_words() {
    const auto text = words_of("a red  circle at left"), reference = words_of("a blue circle at");
    QCOMPARE(words_in_common(text, reference), (std::vector<bool>{true, false, true, true, false}));
    std::string joined;
    for (const std::string& word : words_of("  a  b\n")) joined += word;
    QCOMPARE(joined, std::string("  a  b\n"));
  }

  void writes_both_documents() {
    Comparison comparison;
    comparison.model = "models/<b>base</b>";
    comparison.columns = {{"base", "", 1000}, {"x\"onload=\"1", "runs/x", 10}};
    ComparisonRow row;
    row.sample.where = "s.jsonl: row 1";
    row.sample.conversation.messages = {{"user", {{ContentPart::Kind::Image, "", "missing<.png"}, {ContentPart::Kind::Text, "What?<img src=x>", ""}}},
                                        {"assistant", {{ContentPart::Kind::Text, "yes", ""}}}};
    ComparisonAnswer answer;
    answer.text = "</td><script>alert(1)</script>";
    answer.tokens = {{5, "<script>", -0.5, {{"\"><b>", 0.25}}}};
    answer.scores = {{"exact", 0.0}, {"token_f1", 0.0}, {"chrf", 0.1}};
    row.answers = {answer, answer};
    comparison.rows = {row};
    comparison.scores = {{{"exact", 0.0}}, {{"exact", 1.0}}};
    QTemporaryDir folder;
    const std::filesystem::path out = folder.path().toStdString() + "/out";
    QVERIFY(write_comparison(comparison, out).ok());
    QFile page(folder.path() + "/out/comparison.html");
    QVERIFY(page.open(QIODevice::ReadOnly));
    const QString html = QString::fromUtf8(page.readAll());
    QVERIFY(!html.contains("<script"));
    QVERIFY(!html.contains("<b>"));
    QVERIFY(!html.contains("\"onload"));
    QVERIFY(html.contains("&lt;script&gt;"));
    const auto json = read_json_file(out / "comparison.json");
    QVERIFY(json.ok());
    QVERIFY((*json)["columns"][0]["adapter"].is_null());
    QCOMPARE((*json)["rows"][0]["answers"][1]["token_ids"][0].get<int>(), 5);
    QCOMPARE((*json)["rows"][0]["sample"]["expected"].get<std::string>(), std::string("yes"));
    QVERIFY((*json)["scores"].contains("base"));
  }
};

QTEST_APPLESS_MAIN(TestCompare)
#include "test_compare.moc"
