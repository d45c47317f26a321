// SPDX-License-Identifier: GPL-3.0-or-later
// Each built-in reward by known values, what it says of rows that lack its columns, and the
// sentences for columns that it cannot use.
#include <QtTest>

#include <cmath>

#include "engine/rewards/built_in.h"
#include "engine/rewards/text_measures.h"

using namespace luthier;

namespace {

Result<Reward> asked(const char* name, const std::string& text, const Json& row) {
  const auto function = make_built_in_reward(name);
  if (!function) return input_error("There is no such function.");
  LUTHIER_TRY(const std::vector<Reward> rewards,
              function->rewards({{text, &row, nullptr, "rows.jsonl: row 1"}}));
  return rewards.at(0);
}

/// NaN where there is none, −1 where it was refused.
double value(const char* name, const std::string& text, const Json& row) {
  const auto reward = asked(name, text, row);
  if (!reward) return -1;
  return reward->has_value() ? **reward : std::nan("");
}

std::string refusal(const char* name, const Json& row) {
  const auto reward = asked(name, "an answer", row);
  return reward ? std::string() : reward.error().sentence();
}

}  // namespace

class TestBuiltIn : public QObject {
  Q_OBJECT

 private slots:
  void expected_answers_are_found() {
    using Texts = std::vector<std::string>;
    QCOMPARE(expected_answers({{"solution", "a"}, {"answer", "b"}}), Texts{"a"});
    QCOMPARE(expected_answers({{"ground_truth", {"a", "b"}}}), (Texts{"a", "b"}));
    // A column that holds no texts is passed over.
    QCOMPARE(expected_answers({{"solution", 3}, {"answer", "b"}}), Texts{"b"});
    QCOMPARE(expected_answers({{"solution", Json::array({"a", 3})}}), Texts{});
    const Json said{{"messages",
                     {{{"role", "user"}, {"content", "What?"}},
                      {{"role", "assistant"}, {"content", {{{"type", "text"}, {"text", "a"}}}}}}}};
    QCOMPARE(expected_answers(said), Texts{"a"});
    QCOMPARE(expected_answers({{"conversations", {{{"from", "gpt"}, {"value", "a"}}}}}),
             Texts{"a"});
    QCOMPARE(expected_answers({{"messages", {{{"role", "user"}, {"content", "What?"}}}}}), Texts{});
    QCOMPARE(expected_answers("no row"), Texts{});
  }

  void equal_answers() {
    QCOMPARE(value("exact_match", " yes\n", {{"solution", "yes"}}), 1.0);
    QCOMPARE(value("exact_match", "Yes", {{"solution", "yes"}}), 0.0);
    QCOMPARE(value("exact_match", "two", {{"solution", {"2", "two"}}}), 1.0);
    QVERIFY(std::isnan(value("exact_match", "yes", {{"prompt", "What?"}})));
  }

  void contained_texts() {
    QCOMPARE(value("contains", "a red circle", {{"contains", {"red", "blue"}}}), 0.5);
    QCOMPARE(value("contains", "a red circle", {{"contains", "red"}, {"solution", "x"}}), 1.0);
    QCOMPARE(value("contains", "a red circle", {{"solution", "red"}}), 1.0);
    QCOMPARE(value("contains", "a red circle", {{"solution", "blue"}}), 0.0);
    QVERIFY(std::isnan(value("contains", "a", {{"prompt", "What?"}})));
    QVERIFY(refusal("contains", {{"contains", 3}}).find("rows.jsonl: row 1: contains") !=
            std::string::npos);
  }

  void patterns() {
    QCOMPARE(value("regex", "<think>a</think> 3", {{"pattern", "^<think>.*</think>\\s*\\d$"}}),
             1.0);
    QCOMPARE(value("regex", "3", {{"pattern", "^<think>"}}), 0.0);
    QVERIFY(std::isnan(value("regex", "3", {{"solution", "3"}})));
    QVERIFY(refusal("regex", {{"pattern", "("}}).find("row 1: pattern") != std::string::npos);
    QVERIFY(refusal("regex", {{"pattern", {"a"}}}).find("must be a text") != std::string::npos);
  }

  void documents() {
    QCOMPARE(value("json_valid", " {\"a\": [1]} ", Json::object()), 1.0);
    QCOMPARE(value("json_valid", "[1, 2]", Json::object()), 1.0);
    for (const char* text : {"3", "{\"a\": }", "{} and more", ""})
      QCOMPARE(value("json_valid", text, Json::object()), 0.0);
  }

  void lengths() {
    QCOMPARE(value("length", "abcdefgh", {{"target_length", 10}}), 0.8);
    QCOMPARE(value("length", "가나다라", {{"target_length", 4}}), 1.0);  // characters, not bytes
    QCOMPARE(value("length", std::string(30, 'a'), {{"target_length", 10}}), 0.0);
    QVERIFY(std::isnan(value("length", "a", Json::object())));
    for (const Json& bad : {Json(0), Json(-3), Json("ten")})
      QVERIFY(refusal("length", {{"target_length", bad}}).find("above 0") != std::string::npos);
  }

  void overlapping_words() {
    QCOMPARE(value("word_overlap", "a red circle", {{"solution", "a blue circle"}}), 2.0 / 3);
    QCOMPARE(
        value("word_overlap", "a red circle", {{"solution", {"a blue circle", "a red circle"}}}),
        1.0);
    QCOMPARE(value("word_overlap", "", {{"solution", "a"}}), 0.0);
    QVERIFY(std::isnan(value("word_overlap", "a", Json::object())));
  }

  void boxes_of_rows_are_paired_by_their_labels() {
    // As a row of boxes comes from its encoding: with what its model should have written.
    Conversation prompt;
    prompt.messages = {
        {"user",
         {ContentPart::of_text("Where?")},
         {{"expected_boxes",
           {{"notation", "internvl"},
            {"answer",
             "<ref>a</ref><box>[[0, 0, 10, 10]]</box><ref>b</ref><box>[[0, 0, 10, 10]]"
             "</box>"}}}}}};
    const Json row{{"boxes", Json::array()}};
    const auto overlap = [&](const std::string& text) {
      const auto rewards =
          make_built_in_reward("box_overlap")->rewards({{text, &row, &prompt, "row 1"}});
      return rewards && rewards->front() ? **rewards->begin() : -1.0;
    };
    QCOMPARE(overlap("<ref>a</ref><box>[[0, 0, 10, 10]]</box>"), 0.5);
    QCOMPARE(overlap("<ref>B</ref><box>[[0, 0, 10, 10]]</box><ref>A</ref><box>[[0, 0, 10, 5]]"),
             0.75);
    QCOMPARE(overlap("<ref>c</ref><box>[[0, 0, 10, 10]]</box>"), 0.0);
    QCOMPARE(overlap(""), 0.0);
  }

  void overlapping_boxes() {
    const Json one{{"bbox", {0, 0, 10, 10}}};
    QCOMPARE(value("box_overlap", "It is at [0, 0, 10, 10].", one), 1.0);
    QCOMPARE(value("box_overlap", "(0,0),(10,5)", one), 0.5);
    QCOMPARE(value("box_overlap", "{\"bbox_2d\": [5, 0, 15, 10]}", one), 50.0 / 150);
    QCOMPARE(value("box_overlap", "[10, 10, 0, 0]", one), 1.0);  // corners in any order
    QCOMPARE(value("box_overlap", "[0.0, 0, 1e1, 10.0]", one), 1.0);
    // A second box that is nowhere halves it; so does one that lacks.
    QCOMPARE(value("box_overlap", "[[0,0,10,10],[20,20,30,30]]", one), 0.5);
    const Json two{{"bbox", {{0, 0, 10, 10}, {20, 20, 30, 30}}}};
    QCOMPARE(value("box_overlap", "[0,0,10,10]", two), 0.5);
    QCOMPARE(value("box_overlap", "[20,20,30,30] and [0,0,10,10]", two), 1.0);
    // The same box said twice is one pair.
    QCOMPARE(value("box_overlap", "[0,0,10,10] [0,0,10,10]", one), 0.5);
    for (const char* none :
         {"", "0, 0, 10, 10", "[0, 0, 10]", "[0, 0, ten, 10, 10]", "[30,30,40,40]",
          "[0, 0, 1e400, 10]", "[-1e308, -1e308, 1e308, 1e308]"})
      QCOMPARE(value("box_overlap", none, one), 0.0);
    // Location tokens, whose numbers go y before x in PaliGemma's.
    QCOMPARE(value("box_overlap", "<loc0000><loc0000><loc0005><loc0010> a", one), 0.5);
    QCOMPARE(value("box_overlap", "a<loc_0><loc_0><loc_10><loc_10>", one), 1.0);
    QVERIFY(std::isnan(value("box_overlap", "[0,0,10,10]", Json::object())));
    for (const Json& bad : {Json({1, 2, 3}), Json("[0,0,1,1]"), Json::array(), Json({{1, 2}})})
      QVERIFY(refusal("box_overlap", {{"bbox", bad}}).find("row 1: bbox") != std::string::npos);
  }

  void every_row_of_the_table_is_found_by_its_name() {
    for (const BuiltInReward& row : built_in_rewards()) {
      const auto function = make_built_in_reward(row.name);
      QVERIFY(function != nullptr);
      QCOMPARE(function->name(), std::string(row.name));
      QVERIFY(no_such_reward("x", "grpo.reward_funcs").hint.find(row.name) != std::string::npos);
    }
    QVERIFY(make_built_in_reward("accuracy") == nullptr);
  }

  void answers_keep_their_order() {
    const Json first{{"solution", "a"}}, second = Json::object(), third{{"solution", "c"}};
    const auto rewards = make_built_in_reward("exact_match")
                             ->rewards({{"a", &first, nullptr, "row 1"},
                                        {"a", &second, nullptr, "row 2"},
                                        {"a", &third, nullptr, "row 3"}});
    QVERIFY(rewards.ok());
    QCOMPARE(*rewards, (std::vector<Reward>{1.0, std::nullopt, 0.0}));
  }
};

QTEST_APPLESS_MAIN(TestBuiltIn)
#include "test_built_in.moc"
