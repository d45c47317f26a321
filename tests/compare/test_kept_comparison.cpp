// SPDX-License-Identifier: GPL-3.0-or-later
// What a comparison is kept as and read from again, lies in that file, the table as CSV, votes with
// their intervals, and scores that look at all answers.
#include "engine/compare/kept_comparison.h"

#include <QtTest>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <set>

#include "engine/compare/documents.h"
#include "engine/compare/scores.h"
#include "engine/io/files.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestKeptComparison : public QObject {
  Q_OBJECT

  QTemporaryDir folder_;
  fs::path root() const { return folder_.path().toStdString(); }

  static ComparisonAnswer answer(const std::string& text) {
    ComparisonAnswer made;
    made.text = text;
    AnswerToken token;
    token.id = 7;
    token.piece = " " + text;
    token.logprob = -0.25;
    token.alternatives = {{"blue", 0.125}};
    token.end = text.size();
    made.tokens = {token};
    made.seconds = 0.5;
    made.finish = "eos";
    return made;
  }

  Comparison comparison() const {
    Comparison made;
    made.model = "teaching/base";
    made.device = "cpu";
    made.options.seed = 7;
    made.options.temperature = 0.7;
    made.options.max_new_tokens = 24;
    ComparisonColumn base, adapter;
    base.name = kBaseColumn;
    adapter.name = "korean";
    adapter.adapter = (root() / "runs/korean/adapter").string();
    adapter.strength = 0.5;
    adapter.image.max_pixels = 50176;
    made.columns = {base, adapter};
    made.reference = 1;
    made.pattern = "[a-z]+";
    for (const char* wanted : {"red", "a \"blue\", round one\nbelow", "green"}) {
      ComparisonRow row;
      row.sample.where = "rows.jsonl: row 1";
      row.sample.conversation.messages = {
          {"user", {ContentPart::of_image(root() / "one.png"), ContentPart::of_text("Which?")}, {}},
          {"assistant", {ContentPart::of_text(wanted)}, {}}};
      row.answers.resize(2);
      put_answer(row, 0, answer("red"));
      if (made.rows.size() < 2) put_answer(row, 1, answer(wanted));
      made.rows.push_back(std::move(row));
    }
    ScoredAnswer scored;
    scored.of = kExpectedAnswer;
    scored.text = "red";
    scored.tokens = made.rows[0].answers[0].tokens;
    scored.reference = "korean";
    scored.columns = {{"base", 1, {{-0.5, 0.25, 9, "blue", 0.75}}},
                      {"korean", 0.5, {{-0.1, 0, 7, "red", 0.9}}}};
    made.rows[0].scored = {scored};
    made.votes = {{0, "korean"}, {1, ""}};
    return made;
  }

 private slots:
  void initTestCase() {
    fs::create_directories(root() / "runs/korean/adapter");
    std::ofstream(root() / "runs/korean/run.json") << "{}";
  }

  void what_is_no_number_comes_back_too() {
    Comparison made = comparison();
    made.rows[0].answers[0].tokens[0].logprob = std::numeric_limits<double>::quiet_NaN();
    made.rows[0].answers[0].tokens[0].alternatives[0].second =
        std::numeric_limits<double>::infinity();
    made.rows[0].scored[0].columns[0].tokens[0].divergence =
        std::numeric_limits<double>::infinity();
    made.columns[1].image.film.num_frames = 8;
    const auto file = keep_comparison(made, root() / "runs/korean", "odd");
    QVERIFY(file.ok());
    const auto read = read_comparison(*file);
    QVERIFY2(read.ok(), read ? "" : read.error().sentence().c_str());
    QVERIFY(std::isnan(read->rows[0].answers[0].tokens[0].logprob));
    QCOMPARE(read->columns[1].image.film.num_frames, std::optional<std::int64_t>(8));
    fs::remove_all(file->parent_path());
  }

  void what_is_kept_comes_back() {
    Comparison made = comparison();
    add_cider(made);
    QVERIFY(score_by_pattern(made, made.pattern).ok());
    const fs::path run = run_of(made);
    QCOMPARE(run, root() / "runs/korean");
    const auto file = keep_comparison(made, run, "2026-01-01 10.00");
    QVERIFY2(file.ok(), file ? "" : file.error().sentence().c_str());
    const auto second = keep_comparison(made, run, "2026-01-01 10.00");
    QVERIFY(second.ok() && *second != *file);
    const auto kept = kept_comparisons(run);
    QCOMPARE(kept.size(), std::size_t(2));
    QCOMPARE(kept.back().name, std::string("korean: 2026-01-01 10.00"));
    const auto read = read_comparison(*file);
    QVERIFY2(read.ok(), read ? "" : read.error().sentence().c_str());
    // All that is written of it is the same, picture paths too.
    QCOMPARE(to_json(*read, file->parent_path()).dump(), to_json(made, file->parent_path()).dump());
    QCOMPARE(fs::weakly_canonical(read->rows[0].sample.pictures().at(0)), root() / "one.png");
    QCOMPARE(read->options.temperature, 0.7);
    QCOMPARE(read->columns[1].strength, 0.5);
    QCOMPARE(read->votes, made.votes);
    QVERIFY(!read->rows[2].answers[1].whole());
    QCOMPARE(read->rows[0].answers[1].tokens[0].alternatives,
             made.rows[0].answers[1].tokens[0].alternatives);
    QCOMPARE(column_scores(*read, 1).at("bleu").mean, column_scores(made, 1).at("bleu").mean);
  }

  void a_picture_in_its_row_is_kept_with_it() {
    Comparison made = comparison();
    const std::string own = "data:image/png;base64,iVBORw0KGgo=";
    made.rows[0].sample.conversation.messages[0].content[0] = ContentPart::of_image(own);
    const auto file = keep_comparison(made, root() / "runs/korean", "inline");
    QVERIFY(file.ok());
    const auto read = read_comparison(*file);
    QVERIFY2(read.ok(), read ? "" : read.error().sentence().c_str());
    QCOMPARE(read->rows[0].sample.pictures().at(0).string(), own);
  }

  void lies_are_refused() {
    Json good = to_json(comparison(), root());
    const fs::path file = root() / "lie.json";
    const auto refused = [&](const std::function<void(Json&)>& lie, const char* names) {
      Json json = good;
      lie(json);
      std::ofstream(file) << json.dump();
      const auto read = read_comparison(file);
      return !read.ok() && read.error().code == ErrorCode::Input &&
             read.error().sentence().find(names) != std::string::npos;
    };
    std::ofstream(file) << good.dump();
    QVERIFY(read_comparison(file).ok());
    QVERIFY(refused([](Json& json) { json = 3; }, "object"));
    QVERIFY(refused([](Json& json) { json.erase("columns"); }, "columns"));
    QVERIFY(refused([](Json& json) { json["columns"] = Json::array(); }, "columns"));
    QVERIFY(refused([](Json& json) { json["columns"][1]["strength"] = "half"; }, "strength"));
    QVERIFY(refused([](Json& json) { json["rows"][1]["answers"].erase(1); }, "row 2: answers"));
    QVERIFY(refused(
        [](Json& json) {
          json["rows"][0]["answers"][0]["places"][0] = {0, 999};
        },
        "places"));
    QVERIFY(refused(
        [](Json& json) {
          json["rows"][0]["answers"][0]["places"][0] = {3, 1};
        },
        "places"));
    QVERIFY(refused([](Json& json) { json["rows"][0]["answers"][0]["token_ids"][0] = -1; },
                    "token_ids"));
    QVERIFY(refused([](Json& json) { json["rows"][0]["answers"][0]["text"] = 5; }, "text"));
    QVERIFY(
        refused([](Json& json) { json["rows"][0]["scored"][0]["columns"][0]["logprobs"].clear(); },
                "columns"));
    QVERIFY(refused([](Json& json) { json["votes"][0]["row"] = 99; }, "votes"));
    QVERIFY(refused([](Json& json) { json["rows"][0]["sample"]["messages"] = 1; }, "row 1"));
    QVERIFY(!read_comparison(root() / "none.json").ok());
  }

  void the_table_says_what_made_it() {
    const std::string csv = to_csv(comparison());
    QVERIFY(csv.starts_with("\xEF\xBB\xBFrow,where,question"));
    const QStringList lines = QString::fromStdString(csv).split(QStringLiteral("\r\n"));
    QCOMPARE(lines.size(), 1 + 5 + 1);  // the head, five answers, the end
    QVERIFY(lines[0].contains(QStringLiteral(",strength,seed,temperature,")));
    QVERIFY(lines[0].contains(QStringLiteral("rouge_l")));
    QVERIFY(csv.find("\"a \"\"blue\"\", round one\nbelow\"") != std::string::npos);
    QVERIFY(lines[2].contains(QStringLiteral(",korean,red,eos,")));
    QVERIFY(lines[2].contains(QStringLiteral(",0.5,7,0.7,1,24,korean,")));
    QVERIFY(lines[2].endsWith(QStringLiteral(",best")) &&
            lines[1].endsWith(QStringLiteral(",other")));
  }

  void the_page_shows_what_was_looked_at() {
    Comparison made = comparison();
    made.rows[0].scored[0].tokens[0].piece = "<b>";
    const std::string html = to_html(made);
    QVERIFY(html.find("class=\"strip\"") != std::string::npos);
    QVERIFY(html.find("class=\"other\"") != std::string::npos);  // the base would write blue
    QVERIFY(html.find("<b>") == std::string::npos && html.find("&lt;b&gt;") != std::string::npos);
    QVERIFY(html.find("judged blind") != std::string::npos);
    QVERIFY(html.find("pattern [a-z]+") != std::string::npos);
  }

  void votes_have_intervals() {
    // Wilson's interval of 8 of 10, as statistics programs give it.
    const WinRate rate = win_rate(8, 10);
    QVERIFY(std::abs(rate.rate - 0.8) < 1e-12);
    QVERIFY(std::abs(rate.low - 0.4901624715) < 1e-9);
    QVERIFY(std::abs(rate.high - 0.9433178485) < 1e-9);
    QVERIFY(win_rate(0, 0).low == 0 && win_rate(0, 0).high == 1);
    const auto rates = win_rates(comparison());
    QCOMPARE(rates[0].wins, 0.5);
    QCOMPARE(rates[1].wins, 1.5);
    QCOMPARE(rates[1].votes, std::size_t(2));
    std::vector<Vote> votes;
    put_vote(votes, {3, "a"});
    put_vote(votes, {3, "b"});
    QCOMPARE(votes.size(), std::size_t(1));
    QCOMPARE(votes[0].column, std::string("b"));
  }

  void columns_are_shuffled_by_seed_and_place() {
    std::set<std::vector<std::size_t>> orders;
    for (std::size_t row = 0; row < 60; ++row) {
      auto order = shuffled_columns(3, 42, row);
      QCOMPARE(order, shuffled_columns(3, 42, row));
      orders.insert(order);
      std::sort(order.begin(), order.end());
      QCOMPARE(order, (std::vector<std::size_t>{0, 1, 2}));
    }
    QCOMPARE(orders.size(), std::size_t(6));
  }

  void a_pattern_decides_what_is_right() {
    Comparison made = comparison();
    QVERIFY(!score_by_pattern(made, "[").ok());
    QVERIFY(score_by_pattern(made, "red|blue").ok());
    QCOMPARE(made.rows[0].answers[0].scores.at("pattern"), 1.0);
    QCOMPARE(made.rows[1].answers[0].scores.at("pattern"), 0.0);  // red, where blue is expected
    QCOMPARE(made.rows[1].answers[1].scores.at("pattern"), 1.0);
    QCOMPARE(made.rows[2].answers[0].scores.at("pattern"), 1.0);  // none is expected: it matches
    QVERIFY(!made.rows[2].answers[1].scores.contains("pattern"));
    QVERIFY(score_by_pattern(made, "").ok());
    QVERIFY(!made.rows[0].answers[0].scores.contains("pattern"));
  }

  void bleu_of_a_column_is_the_corpus() {
    const Comparison made = comparison();
    BleuCounts counts;
    for (const ComparisonRow& row : made.rows) counts += row.answers[0].bleu;
    QCOMPARE(column_scores(made, 0).at("bleu").mean, bleu(counts, false));
    QVERIFY(counts.length > 0);
  }
};

QTEST_GUILESS_MAIN(TestKeptComparison)
#include "test_kept_comparison.moc"
