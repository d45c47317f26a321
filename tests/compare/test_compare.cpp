// SPDX-License-Identifier: GPL-3.0-or-later
// Scores by known values and of how many, the page's safety against hostile answers, the documents'
// shape, what a folder can be compared as.
#include <QtTest>

#include "engine/compare/answer_pieces.h"
#include "engine/compare/documents.h"
#include "engine/compare/html.h"
#include "engine/compare/result_folder.h"
#include "engine/compare/scores.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/rewards/text_measures.h"

using namespace luthier;

namespace {

namespace fs = std::filesystem;

Sample asked(const std::string& where, const std::string& question, const std::string& expected) {
  Sample sample;
  sample.where = where;
  sample.conversation.messages = {
      {"user",
       {{ContentPart::Kind::Image, "", "missing<.png"}, {ContentPart::Kind::Text, question, ""}}},
      {"assistant", {{ContentPart::Kind::Text, expected, ""}}}};
  return sample;
}

ComparisonAnswer answered(const std::string& text) {
  ComparisonAnswer answer;
  answer.text = text;
  answer.tokens = {{5, text, -0.5, {{"other", 0.25}}, 0, text.size()}};
  answer.finish = "eos";
  return answer;
}

/// Base and one adapter over three rows, of which the adapter answered one.
Comparison half_asked() {
  Comparison comparison;
  comparison.model = "/somewhere/hub/models--org--name/snapshots/abc";
  comparison.device = "cpu";
  comparison.dtype = "float32";
  comparison.options.temperature = 0.7;
  comparison.options.top_p = 0.9;
  comparison.options.seed = 7;
  comparison.options.max_new_tokens = 48;
  comparison.columns = {{"base", "", 1000}, {"korean", "/somewhere/runs/korean/adapter", 10}};
  comparison.columns[1].strength = 0.75;
  comparison.reference = 1;
  for (int i = 1; i <= 3; ++i) {
    const std::string where = "/somewhere/rows/held.jsonl: row " + std::to_string(i);
    comparison.rows.push_back({asked(where, "What?", "yes"), std::vector<ComparisonAnswer>(2)});
    put_answer(comparison.rows.back(), 0, answered(i == 1 ? "yes" : "no"));
  }
  put_answer(comparison.rows[0], 1, answered("yes"));
  ComparisonAnswer streaming = answered("ye");
  streaming.finish.clear();
  put_answer(comparison.rows[1], 1, streaming);
  return comparison;
}

}  // namespace

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

  /// The table of rewards/make_answer_measures.py, which holds it against sacrebleu.
  void chrf_is_that_of_the_paper() {
    const auto table = read_json_file(LUTHIER_SOURCE_DIR "/tests/rewards/answer_measures.json");
    QVERIFY2(table.ok(), table ? "" : table.error().sentence().c_str());
    int held = 0;
    for (const Json& each : (*table)["cases"]) {
      const auto answer = each["answer"].get<std::string>(),
                 expected = each["expected"].get<std::string>();
      if (answer.empty() || expected.empty()) continue;  // the paper has none of nothing
      QVERIFY2(std::abs(chrf(answer, expected) - each["chrf"].get<double>()) < 1e-9,
               answer.c_str());
      ++held;
    }
    QVERIFY(held >= 15);
  }

  void escapes_everything() {
    QCOMPARE(html_escaped("<script>\"'&"), std::string("&lt;script&gt;&quot;&#39;&amp;"));
    QCOMPARE(html_escaped("a\xff"
                          "b"),
             std::string("a\xEF\xBF\xBD"
                         "b"));
    QCOMPARE(html_escaped(std::string("a\x01"
                                      "b")),
             std::string("a\xEF\xBF\xBD"
                         "b"));
  }

  void marks_differing_words() {
    const std::string reference = "a red circle at the top",
                      text = "a blue  circle at the very top";
    const auto changed = changed_words(reference, text);
    QCOMPARE(changed.size(), std::size_t(2));
    QCOMPARE(text.substr(changed[0].begin, changed[0].end - changed[0].begin), std::string("blue"));
    QCOMPARE(text.substr(changed[1].begin, changed[1].end - changed[1].begin), std::string("very"));
    QVERIFY(changed_words(text, text).empty());
    QVERIFY(changed_words("", "").empty());
    QCOMPARE(changed_words("빨간\u00a0원", "빨간 네모").size(),
             std::size_t(1));  // a no-break space parts words
    std::string longer = "a";
    for (int i = 0; i < 3000; ++i) longer += " a";
    QCOMPARE(changed_words("b", longer).size(), std::size_t(1));
    QCOMPARE(changed_words("b", longer)[0].end, longer.size());
  }

  void pieces_are_the_whole_text() {
    ComparisonAnswer answer;
    answer.text = "a 빨간 원";
    answer.finish = "eos";
    // " 빨" and its two last bytes share a character; the end token writes nothing.
    answer.tokens = {{1, "a", 0, {}, 0, 1},
                     {2, " ?", 0, {}, 1, 5},
                     {3, "?", 0, {}, 2, 5},
                     {4, "간 원", 0, {}, 5, 12},
                     {5, "</s>", 0, {}, 12, 12}};
    const std::string reference = "a 파란 원";
    const auto pieces = answer_pieces(answer, &reference);
    std::string joined;
    for (const AnswerPiece& piece : pieces) {
      joined += answer.text.substr(piece.begin, piece.end - piece.begin);
      QVERIFY(!piece.tokens.empty());
      QCOMPARE(piece.differs, piece.begin >= 2 && piece.end <= 8);
      if (piece.begin == 2) QCOMPARE(piece.tokens, (std::vector<std::size_t>{1, 2}));
    }
    QCOMPARE(joined, answer.text);
    QVERIFY(answer_pieces(ComparisonAnswer(), &reference).empty());
    answer.tokens.back().begin = 5, answer.tokens.back().end = 500;  // a place outside is no place
    QCOMPARE(answer_pieces(answer, nullptr).back().end, answer.text.size());
  }

  void what_was_not_asked_is_not_wrong() {
    const Comparison comparison = half_asked();
    const auto base = column_scores(comparison, 0), adapter = column_scores(comparison, 1);
    QCOMPARE(base.at("exact").of, std::size_t(3));
    QCOMPARE(base.at("exact").mean, 1.0 / 3);
    QCOMPARE(adapter.at("exact").of, std::size_t(1));
    QCOMPARE(adapter.at("exact").mean, 1.0);
    QCOMPARE(comparison.answered(), std::size_t(4));
    Comparison nothing;
    nothing.columns = {{"base", ""}};
    QVERIFY(column_scores(nothing, 0).empty());

    const Json json = to_json(comparison, "/somewhere/out");
    QVERIFY(json["rows"][1]["answers"][1].is_null());
    QVERIFY(json["rows"][2]["answers"][1].is_null());
    QCOMPARE(json["scores"]["korean"]["exact"].get<double>(), 1.0);
    QCOMPARE(json["scored"]["korean"]["exact"].get<int>(), 1);
    QCOMPARE(json["columns"][1]["answered"].get<int>(), 1);
    QVERIFY(!json["complete"].get<bool>());
    const QString html = QString::fromStdString(to_html(comparison));
    QVERIFY(html.contains("100.0 % of 1"));
    QVERIFY(html.contains("33.3 % of 3"));
    QVERIFY(html.contains("4 of 6 answers"));
    QVERIFY(html.contains("not asked"));
  }

  void documents_say_what_was_compared_and_how() {
    const Comparison comparison = half_asked();
    const Json json = to_json(comparison, "/somewhere/out");
    QCOMPARE(json["base"]["name"].get<std::string>(), std::string("org/name"));
    QCOMPARE(json["base"]["dtype"].get<std::string>(), std::string("float32"));
    QCOMPARE(json["reference"].get<std::string>(), std::string("korean"));
    QCOMPARE(json["options"]["temperature"].get<double>(), 0.7);
    QCOMPARE(json["options"]["top_p"].get<double>(), 0.9);
    QCOMPARE(json["options"]["seed"].get<int>(), 7);
    QCOMPARE(json["options"]["max_new_tokens"].get<int>(), 48);
    QCOMPARE(json["columns"][1]["strength"].get<double>(), 0.75);
    QCOMPARE(json["columns"][1]["kind"].get<std::string>(), std::string("adapter"));
    QVERIFY(json["columns"][0]["strength"].is_null());
    QCOMPARE(json["rows"][0]["sample"]["where"].get<std::string>(),
             std::string("held.jsonl: row 1"));
    QCOMPARE(json["score_names"]["token_f1"].get<std::string>(), std::string("token F1"));
    const QString html = QString::fromStdString(to_html(comparison));
    for (const char* told :
         {"<h1>korean beside org/name</h1>", "temperature 0.7", "top_p 0.9", "seed 7",
          "max_new_tokens 48", "strength 0.75", "reference korean", "held.jsonl: row 1",
          "exact match", "token F1", "chrF", "cpu float32"}) {
      QVERIFY2(html.contains(told), told);
    }
    QVERIFY(!html.contains("/somewhere/rows"));
    QVERIFY(!html.contains("token_f1"));
    ComparisonWords korean;
    korean.language = "ko";
    korean.title = "%2에서 비교: %1";
    QVERIFY(QString::fromStdString(to_html(comparison, korean))
                .contains("<h1>org/name에서 비교: korean</h1>"));
  }

  void limits_of_pixels_and_checkpoints_are_told() {
    Comparison comparison = half_asked();
    comparison.columns[1].image.max_pixels = 50176;
    Json json = to_json(comparison, ".");
    QCOMPARE(json["columns"][1]["image"]["max_pixels"].get<int>(), 50176);
    QVERIFY(json["columns"][1]["image"]["min_pixels"].is_null());
    QVERIFY(!json["columns"][0].contains("image"));
    QVERIFY(QString::fromStdString(to_html(comparison)).contains("max_pixels 50176"));
    comparison.columns[1].whole = true;
    json = to_json(comparison, ".");
    QCOMPARE(json["columns"][1]["kind"].get<std::string>(), std::string("checkpoint"));
    QVERIFY(QString::fromStdString(to_html(comparison)).contains("whole checkpoint"));
  }

  void pictures_are_named_from_where_the_document_lies() {
    Comparison comparison = half_asked();
    comparison.rows[0].sample.conversation.messages[0].content[0].image =
        "/somewhere/pictures/a.png";
    const Json json = to_json(comparison, "/somewhere/out/first");
    const Json& picture = json["rows"][0]["sample"]["messages"][0]["content"][0]["path"];
    QCOMPARE(picture.get<std::string>(), std::string("../../pictures/a.png"));
  }

  void folders_are_found_as_people_name_them() {
    QTemporaryDir directory;
    const fs::path root = directory.path().toStdString();
    const auto put = [&](const fs::path& file) {
      fs::create_directories((root / file).parent_path());
      QVERIFY(write_file_atomically(root / file, "{}").ok());
    };
    const auto refusal = [&](const fs::path& folder) {
      const auto found = find_result(root / folder);
      return found ? QString("found") : QString::fromStdString(found.error().sentence());
    };
    put("runs/korean/adapter/adapter_config.json");
    put("runs/full/model/config.json");
    put("runs/merged/config.json");
    put("runs/empty/recipe.yaml");
    put("runs/killed/checkpoints/step-000010/trained.safetensors");
    put("notes/readme.txt");
    for (const char* name : {"runs/korean", "runs/korean/", "runs/korean/adapter"}) {
      const auto found = find_result(root / name);
      QVERIFY(found.ok() && !found->whole && found->folder == root / "runs/korean/adapter");
      QCOMPARE(result_name(root / name), std::string("korean"));
    }
    for (const char* name : {"runs/full", "runs/full/model"}) {
      const auto found = find_result(root / name);
      QVERIFY(found.ok() && found->whole && found->folder == root / "runs/full/model");
      QCOMPARE(result_name(root / name), std::string("full"));
    }
    QVERIFY(find_result(root / "runs/merged").ok() && find_result(root / "runs/merged")->whole);
    QVERIFY(refusal("runs/full/adapter")
                .contains("whole checkpoint"));        // named as one names an adapter
    QVERIFY(refusal("runs/kore").contains("korean"));  // what stands beside it
    QVERIFY(refusal("runs").contains("korean"));       // a folder of runs
    QVERIFY(refusal("notes").contains("neither an adapter nor a checkpoint"));
    QVERIFY(refusal("notes/readme.txt").contains("This is a file"));
    QVERIFY(refusal("runs/killed/checkpoints/step-000010").contains("to resume from"));
    QVERIFY(refusal("runs/empty") != "found");
    QCOMPARE(result_name("runs/korean/checkpoints/step-000010/adapter"),
             std::string("korean-step-000010"));
    QCOMPARE(readable_model_name("/x/teaching/base/"), std::string("teaching-base"));
    QCOMPARE(readable_model_name("/h/models--org--name/snapshots/abc"), std::string("org/name"));
  }

  void writes_both_documents() {
    Comparison comparison;
    comparison.model = "models/<b>base</b>";
    comparison.columns = {{"base", "", 1000}, {"x\"onload=\"1", "runs/x", 10}};
    ComparisonRow row{asked("s<b>.jsonl: row 1", "What?<img src=x>", "yes"),
                      std::vector<ComparisonAnswer>(2)};
    ComparisonAnswer answer = answered("</td><script>alert(1)</script>");
    answer.tokens = {{5, "<script>", -0.5, {{"\"><b>", 0.25}}, 0, 4}};
    put_answer(row, 0, answer);
    put_answer(row, 1, answer);
    comparison.rows = {row};
    QTemporaryDir folder;
    const fs::path out = folder.path().toStdString() + "/out";
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
    QVERIFY((*json)["complete"].get<bool>());
  }
};

QTEST_APPLESS_MAIN(TestCompare)
#include "test_compare.moc"
