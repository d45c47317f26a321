// SPDX-License-Identifier: GPL-3.0-or-later
// What a checkpoint's own rules leave of a row's logits, each rule and several in their order, and
// that they are read from where transformers reads them.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "engine/generate/ruled_scores.h"
#include "engine/generate/token_choice.h"

// After the engine's headers, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

using namespace luthier;

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
using Ids = std::vector<TokenId>;
using Scores = std::vector<float>;

const Ids kEnds{5};

/// Six tokens' logits behind `before`, of which the last `answered` are an answer's of 4 at most.
Scores ruled(const AnswerRules& rules, const Ids& before, std::size_t answered) {
  Scores scores{2, -1, 0.5, 3, -2, 4};
  const RuledScores ruled(rules, kEnds, 4);
  if (!ruled.any()) qFatal("no rule");
  ruled.apply(scores, before, answered);
  return scores;
}

std::string fault_of(const Result<AnswerRules>& read) {
  return read ? std::string() : read.error().sentence();
}

}  // namespace

class TestRuledScores : public QObject {
  Q_OBJECT

 private slots:
  void what_stands_there_is_less_likely_once() {
    AnswerRules rules;
    rules.repetition_penalty = 2;
    QCOMPARE(ruled(rules, {0, 0, 1, 99}, 0), (Scores{1, -2, 0.5, 3, -2, 4}));
  }

  void a_run_does_not_come_twice() {
    AnswerRules rules;
    rules.no_repeat_ngram_size = 3;
    QCOMPARE(ruled(rules, {1, 2, 3, 1, 2}, 1), (Scores{2, -1, 0.5, kNever, -2, 4}));
    QCOMPARE(ruled(rules, {1, 2}, 1), (Scores{2, -1, 0.5, 3, -2, 4}));
    rules.no_repeat_ngram_size = 1;
    QCOMPARE(ruled(rules, {1, 2}, 1), (Scores{2, kNever, kNever, 3, -2, 4}));
  }

  void bad_words_are_not_finished() {
    AnswerRules rules;
    rules.bad_words_ids = {{3}, {1, 2, 0}, {5}, {4, 5}};
    QCOMPARE(ruled(rules, {1, 2}, 0), (Scores{2, -1, 0.5, kNever, -2, 4}));
    QCOMPARE(ruled(rules, {0, 1, 2}, 0), (Scores{kNever, -1, 0.5, kNever, -2, 4}));
    // an end alone is none, an end behind another token is
    QCOMPARE(ruled(rules, {0, 4}, 0), (Scores{2, -1, 0.5, kNever, -2, kNever}));
  }

  void the_end_waits_and_comes() {
    AnswerRules rules;
    rules.min_length = 3;
    QCOMPARE(ruled(rules, {1, 2}, 0).back(), kNever);
    QCOMPARE(ruled(rules, {1, 2, 0}, 1).back(), 4.0f);
    rules = {};
    rules.min_new_tokens = 2;
    QCOMPARE(ruled(rules, {1, 2, 0}, 1).back(), kNever);
    QCOMPARE(ruled(rules, {1, 2, 0, 0}, 2).back(), 4.0f);
    rules = {};
    rules.forced_eos_token_id = {2, 4};
    QCOMPARE(ruled(rules, {1, 2, 0}, 2), (Scores{2, -1, 0.5, 3, -2, 4}));
    QCOMPARE(ruled(rules, {1, 2, 0, 0}, 3), (Scores{kNever, kNever, 0, kNever, 0, kNever}));
  }

  void the_beginning_of_an_answer() {
    AnswerRules rules;
    rules.begin_suppress_tokens = {5};
    QCOMPARE(ruled(rules, {0, 1}, 0).back(), kNever);
    QCOMPARE(ruled(rules, {0, 1, 2}, 1).back(), 4.0f);
    // Of two texts' models the token behind the start token is told, and the next one is chosen.
    rules.forced_bos_token_id = 1;
    QCOMPARE(ruled(rules, {0}, 0), (Scores{kNever, 0, kNever, kNever, kNever, kNever}));
    QCOMPARE(ruled(rules, {0, 1}, 1).back(), kNever);
    QCOMPARE(ruled(rules, {0, 1, 2}, 2).back(), 4.0f);
    rules = {};
    rules.suppress_tokens = {0, 3};
    QCOMPARE(ruled(rules, {0, 1, 2}, 2), (Scores{kNever, -1, 0.5, kNever, -2, 4}));
  }

  void chosen_by_the_rules_and_told_by_the_model() {
    const Scores logits{2, -1, 0.5}, scores{kNever, -1, 0.5};
    const TokenChoice plain = choose_token(logits, {}, 0, 0),
                      other = choose_token(logits, {}, 0, 0, scores);
    QCOMPARE(plain.id, TokenId{0});
    QCOMPARE(other.id, TokenId{2});
    QVERIFY(std::abs(other.logprob - (plain.logprob - 1.5)) < 1e-6);
    GenerationOptions drawn;
    drawn.temperature = 5;
    for (std::uint64_t prompt = 0; prompt < 50; ++prompt)
      QVERIFY(choose_token(logits, drawn, prompt, 0, scores).id != 0);
  }

  void read_from_the_file_or_the_configuration() {
    const QTemporaryDir folder;
    const std::filesystem::path path = folder.path().toStdString();
    const Json config = {{"min_length", 3},
                         {"text_config", {{"repetition_penalty", 1.5}, {"min_length", 7}}}};
    auto rules = read_answer_rules(path, config, 10);
    QVERIFY(rules);
    QCOMPARE(rules->min_length, 3);
    QCOMPARE(rules->repetition_penalty, 1.5);
    std::ofstream(path / "generation_config.json") << R"({"no_repeat_ngram_size": 3,
      "forced_bos_token_id": 0, "forced_eos_token_id": 2, "suppress_tokens": [1, 99],
      "bad_words_ids": [[4, 5]], "min_length": null})";
    rules = read_answer_rules(path, config, 10);
    QVERIFY(rules);
    AnswerRules wanted;
    wanted.no_repeat_ngram_size = 3, wanted.forced_bos_token_id = 0;
    wanted.forced_eos_token_id = {2}, wanted.suppress_tokens = {1};
    wanted.bad_words_ids = {{4, 5}};
    QCOMPARE(*rules, wanted);
  }

  void a_broken_field_is_named_data() {
    QTest::addColumn<QString>("field");
    QTest::addColumn<QString>("value");
    QTest::newRow("a penalty of nothing") << "repetition_penalty"
                                          << "0";
    QTest::newRow("a penalty in words") << "repetition_penalty"
                                        << "\"much\"";
    QTest::newRow("a negative size") << "no_repeat_ngram_size"
                                     << "-1";
    QTest::newRow("words that are no lists") << "bad_words_ids"
                                             << "[1]";
    QTest::newRow("an empty word") << "bad_words_ids"
                                   << "[[]]";
    QTest::newRow("a token that is not there") << "forced_bos_token_id"
                                               << "10";
    QTest::newRow("two tokens for one") << "forced_bos_token_id"
                                        << "[1, 2]";
    QTest::newRow("a last one below all") << "forced_eos_token_id"
                                          << "-1";
    QTest::newRow("no ids") << "suppress_tokens"
                            << "[1.5]";
  }
  void a_broken_field_is_named() {
    QFETCH(QString, field);
    QFETCH(QString, value);
    const QTemporaryDir folder;
    const std::filesystem::path path = folder.path().toStdString();
    std::ofstream(path / "generation_config.json")
        << "{\"" << field.toStdString() << "\": " << value.toStdString() << "}";
    const auto rules = read_answer_rules(path, {}, 10);
    QVERIFY(!rules);
    const auto said = QString::fromStdString(fault_of(rules) + rules.error().where);
    QVERIFY2(said.contains(field) && said.contains("generation_config.json"), qPrintable(said));
  }
};

QTEST_GUILESS_MAIN(TestRuledScores)
#include "test_ruled_scores.moc"
