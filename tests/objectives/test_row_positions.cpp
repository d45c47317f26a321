// SPDX-License-Identifier: GPL-3.0-or-later
// A model that looks positions up (GPT-2) has no row beyond them: a text that fills them exactly
// keeps out its end, and an answer that would outgrow them is refused before anything is decoded or
// learned, by the setting's name.
#include "tests/train/tiny_gpt2.h"
#include "tests/train/watched_run.h"

#include "engine/compare/compare.h"
#include "engine/data/prefix_rows.h"
#include "engine/generate/answer_room.h"
#include "engine/generate/generate.h"
#include "engine/objectives/objective.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr std::int64_t kPositions = 24;

}  // namespace

class TestRowPositions : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    model_ = make_gpt2(tiny_, kPositions);
    auto loaded = load(tiny_.recipe("run", {"model=" + model_.string()}));
    QVERIFY2(loaded.ok(), loaded ? "" : loaded.error().sentence().c_str());
    base_ = std::make_unique<LoadedModel>(loaded.take());
    // Texts of each number of tokens up to beyond the positions.
    std::string text = "q";
    for (std::int64_t tokens = 0; tokens < kPositions + 3; text += "qzxjk"[text.size() % 5]) {
      const auto row = base_->processor->encode_plain(text, 0, "row");
      QVERIFY(row.ok());
      tokens = std::ssize(row->input_ids) + row->truncated_tokens;
      texts_.emplace(tokens, text);
    }
  }

  void the_room_of_an_answer() {
    QCOMPARE(positions_of(*base_), kPositions);
    QCOMPARE(answer_room(*base_, 20), std::int64_t{5});  // the last one is never read
    QVERIFY(check_answer_room(*base_, 20, 5).ok());
    const Status beyond = check_answer_room(*base_, 20, 6);
    QVERIFY(!beyond.ok());
    QCOMPARE(beyond.error().where, std::string("max_new_tokens"));
    QVERIFY(beyond.error().sentence().find("Set it to 5 or less") != std::string::npos);
    QVERIFY(!check_answer_room(*base_, kPositions + 1, 1).ok());
  }

  void an_answer_ends_with_the_positions_or_is_refused() {
    Example prompt;
    prompt.input_ids.assign(20, 300);
    GenerationOptions options;
    options.ignore_eos = true, options.max_new_tokens = 5;
    const auto fits = generate(*base_, {prompt}, options);
    QVERIFY2(fits.ok(), fits ? "" : fits.error().sentence().c_str());
    QCOMPARE(fits->front().tokens.size(), std::size_t{5});
    options.max_new_tokens = 6;
    const auto beyond = generate(*base_, {prompt}, options);
    QVERIFY(!beyond.ok());
    QCOMPARE(beyond.error().exit_status(), 2);
    QCOMPARE(beyond.error().where, std::string("max_new_tokens"));
  }

  /// Of several samples the one at fault is named, before the first is answered.
  void samples_are_looked_at_before_they_are_answered() {
    std::vector<Sample> samples(2);
    for (std::size_t i = 0; i < 2; ++i) {
      std::string words = "It";
      for (int j = 0; j < (i == 0 ? 1 : 30); ++j) words += " it";
      samples[i].conversation.messages = {{"user", {ContentPart::of_text(words)}}};
      samples[i].where = "rows.jsonl: row " + std::to_string(i + 1);
    }
    bool answered = false;
    GenerationOptions options;
    options.max_new_tokens = 2;
    const Status refused =
        answer_samples(*base_, *base_->processor, samples, {}, options,
                       [&](std::size_t, const Generated&) { return answered = true; });
    QVERIFY(!refused.ok() && !answered);
    QVERIFY2(refused.error().sentence().find("row 2") != std::string::npos,
             refused.error().sentence().c_str());
  }

  void a_text_that_fills_the_positions_has_no_end_beyond_them() {
    for (std::int64_t tokens = kPositions - 2; tokens <= kPositions + 1; ++tokens) {
      const auto text = texts_.find(tokens);
      QVERIFY(text != texts_.end());
      Conversation row;
      row.messages = {{"user", {}}, {"assistant", {ContentPart::of_text(text->second)}}};
      const auto encoded = prefix_rows().encode(row, *base_->processor, {}, "row", nullptr);
      QVERIFY2(encoded.ok(), encoded ? "" : encoded.error().sentence().c_str());
      const Example& example = encoded->sequences.front();
      QCOMPARE(std::ssize(example.input_ids), std::min(tokens + 1, kPositions));
      QCOMPARE(example.input_ids.back() == 2, tokens < kPositions);
    }
  }

  void nothing_is_parted_beyond_the_positions() {
    const auto objective = make_objective(
        tiny_.recipe("run", {"model=" + model_.string(), "objective=infilling",
                             "infilling.fim_rate=1", "infilling.prefix_token=<0x01>",
                             "infilling.suffix_token=<0x02>", "infilling.middle_token=<0x03>"}));
    QVERIFY(objective.ok());
    Policy policy(*base_, nullptr, true, nullptr);
    for (std::int64_t tokens = kPositions - 5; tokens <= kPositions; ++tokens) {
      MicroBatch rows;
      EncodedRow& row = rows.encoded.emplace_back();
      row.sequences.push_back(base_->processor->encode_plain(texts_.at(tokens), 0, "row").take());
      rows.rows.push_back(0), rows.cached.emplace_back();
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        MicroBatch made = rows;
        QVERIFY((*objective)->roll_out(policy, made, seed).ok());
        const std::int64_t length = std::ssize(made.encoded[0].sequences[0].input_ids);
        QVERIFY2(length <= kPositions, qPrintable(QString::number(length)));
      }
    }
  }

  /// Before the first step, by the row and the objective's own setting.
  void rollouts_that_cannot_fit_are_refused() {
    const std::string prompt = Json{{"prompt", "It"}}.dump() + "\n";
    write_text(tiny_.root() / "prompts.jsonl", prompt + prompt);
    const auto outcome = test::run(tiny_.recipe(
        "rolled",
        {"model=" + model_.string(), "objective=grpo", "grpo.num_generations=2",
         "training.per_device_train_batch_size=2", "grpo.max_completion_length=24",
         "grpo.reward_funcs=[length]", "dataset=" + (tiny_.root() / "prompts.jsonl").string()}));
    QVERIFY(!outcome.result);
    QCOMPARE(outcome.result.error().where, std::string("grpo.max_completion_length"));
    QVERIFY(!fs::exists(tiny_.root() / "rolled" / "run.json"));
  }

  /// An evaluation draws answers, too; samples that rows bring along must fit as they are.
  void rows_to_evaluate_on_are_held_against_the_positions() {
    const std::string brief = Json{{"prompt", "It"}}.dump() + "\n";
    write_text(tiny_.root() / "brief.jsonl", brief + brief);
    write_text(tiny_.root() / "longer.jsonl", brief + Json{{"prompt", "It it it it"}}.dump());
    std::vector<std::string> settings{
        "model=" + model_.string(),
        "objective=grpo",
        "grpo.num_generations=2",
        "training.per_device_train_batch_size=2",
        "grpo.reward_funcs=[length]",
        "dataset=" + (tiny_.root() / "brief.jsonl").string(),
        "eval_dataset=[" + (tiny_.root() / "longer.jsonl").string() + "]",
        "training.eval_steps=1"};
    settings.push_back("grpo.max_completion_length=" + std::to_string(room_of("It")));
    const auto outcome = test::run(tiny_.recipe("evaluated", settings));
    QVERIFY(!outcome.result);
    QCOMPARE(outcome.result.error().where, std::string("grpo.max_completion_length"));
    QVERIFY(outcome.result.error().what.find("longer.jsonl") != std::string::npos);
    QVERIFY(!fs::exists(tiny_.root() / "evaluated" / "run.json"));
  }

  void given_samples_beyond_the_positions_are_refused() {
    const auto rows = [&](const char* name, std::int64_t tokens, int token) {
      const std::vector<int> ids(static_cast<std::size_t>(tokens), token);
      const Json row = {{"prompt", "It"}, {"completion_ids", {ids, ids}}, {"rewards", {1, 0}}};
      write_text(tiny_.root() / name, row.dump() + "\n" + row.dump() + "\n");
      return (tiny_.root() / name).string();
    };
    const std::int64_t room = room_of("It");
    const auto refused_at = [&](const std::string& data, const std::string& eval) {
      std::vector<std::string> settings{
          "model=" + model_.string(), "objective=grpo",
          "grpo.num_generations=2",   "training.per_device_train_batch_size=2",
          "training.max_steps=1",     "dataset=" + data,
          "grpo.rollouts=" + data};
      if (!eval.empty()) settings.push_back("eval_dataset=[" + eval + "]");
      fs::remove_all(tiny_.root() / "given");
      const auto outcome = test::run(tiny_.recipe("given", settings));
      if (!outcome.result && fs::exists(tiny_.root() / "given" / "run.json"))
        qFatal("refused in mid-run: %s", outcome.result.error().sentence().c_str());
      return outcome.result ? std::string() : outcome.result.error().where;
    };
    const std::string fits = rows("fits.jsonl", room, 300),
                      over = rows("over.jsonl", room + 1, 300),
                      foreign = rows("foreign.jsonl", 2, 1 << 20);
    QCOMPARE(refused_at(fits, ""), std::string());
    QVERIFY(refused_at(over, "").ends_with("completion_ids[0]"));
    QVERIFY(refused_at(fits, over).ends_with("completion_ids[0]"));
    QVERIFY(refused_at(fits, foreign).ends_with("completion_ids"));
  }

 private:
  /// Of an answer to this prompt, among the positions.
  std::int64_t room_of(const char* prompt) const {
    Conversation asked;
    asked.messages = {{"user", {ContentPart::of_text(prompt)}}};
    const auto encoded = base_->processor->encode_prompt(asked, "row");
    if (!encoded) qFatal("%s", encoded.error().sentence().c_str());
    return kPositions - std::ssize(encoded->input_ids);
  }

  TinyRun tiny_;
  fs::path model_;
  std::unique_ptr<LoadedModel> base_;
  std::map<std::int64_t, std::string> texts_;
};

QTEST_GUILESS_MAIN(TestRowPositions)
#include "test_row_positions.moc"
