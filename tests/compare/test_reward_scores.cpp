// SPDX-License-Identifier: GPL-3.0-or-later
// A reward model that a run has left: what it says of answers is what its loss is made of, wherever
// they stand, and a comparison's answers get its rewards and their win rates.
#include "engine/compare/compare.h"
#include "engine/compare/documents.h"
#include "engine/compare/reward_scores.h"
#include "engine/objectives/reward_model.h"
#include "engine/train/row_loss.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "engine/data/dataset.h"
#include "engine/session/headless.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

LoadOptions on_cpu() {
  LoadOptions options;
  options.device = "cpu";
  options.dtype = "float32";
  return options;
}

}  // namespace

class TestRewardScores : public QObject {
  Q_OBJECT

  TinyRun tiny_;
  fs::path base_;

  std::vector<std::string> settings(const char* objective, const char* rows,
                                    const char* strategy) const {
    return {"model=" + base_.string(),
            "init=pretrained",
            std::string("objective=") + objective,
            std::string("strategy=") + strategy,
            "dataset=" + (tiny_.root() / rows).string(),
            "training.learning_rate=0.01",
            "training.max_steps=4"};
  }
  std::vector<AnswerToScore> asked(const char* rows) const {
    std::vector<AnswerToScore> answers;
    for (const Sample& sample : read_samples({tiny_.root() / rows}).take()) {
      auto own = answers_in(sample.conversation, sample.where).take();
      answers.insert(answers.end(), own.begin(), own.end());
    }
    return answers;
  }

 private slots:
  void initTestCase() {
    QVERIFY(
        train_headless(tiny_.recipe("start", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    base_ = tiny_.root() / "start/model";
    std::string pairs, steps;
    for (int i = 0; i < 9; ++i) {  // more than go through the model at once
      Json row{{"prompt", "<image>What is number " + std::to_string(i) + "?"},
               {"images", {(fixture() / (i % 2 ? "a.png" : "b.jpg")).string()}},
               {"chosen", "It is " + std::string(static_cast<std::size_t>(i), 'a') + "."},
               {"rejected", "No " + std::to_string(i)}};
      pairs += row.dump() + "\n";
      row.erase("chosen"), row.erase("rejected");
      row["completions"] = {"It is one.", "It is " + std::to_string(i) + "."};
      row["labels"] = {true, i % 2 == 0};
      steps += row.dump() + "\n";
    }
    write_text(tiny_.root() / "pairs.jsonl", pairs);
    write_text(tiny_.root() / "steps.jsonl", steps);
    for (const char* strategy : {"lora", "full"}) {
      const auto trained = train_headless(tiny_.recipe(std::string("reward-") + strategy,
                                                       settings("reward", "pairs.jsonl", strategy)),
                                          {}, {}, {});
      QVERIFY2(trained.ok(), trained ? "" : trained.error().sentence().c_str());
    }
    QVERIFY(train_headless(tiny_.recipe("prm", settings("prm", "steps.jsonl", "lora")), {}, {}, {})
                .ok());
  }

  void rewards_are_those_of_the_loss_data() {
    QTest::addColumn<QString>("strategy");
    QTest::newRow("lora") << "lora";
    QTest::newRow("full") << "full";
  }
  void rewards_are_those_of_the_loss() {
    QFETCH(QString, strategy);
    const bool lora = strategy == "lora";
    const fs::path run = tiny_.root() / ("reward-" + strategy.toStdString());
    const fs::path folder = run / (lora ? "adapter" : "model");
    const auto model = RewardModel::open(base_, folder, on_cpu());
    QVERIFY2(model.ok(), model ? "" : model.error().sentence().c_str());
    QVERIFY(!(*model)->of_steps());
    const auto scores = (*model)->score(asked("pairs.jsonl"));
    QVERIFY2(scores.ok(), scores ? "" : scores.error().sentence().c_str());
    QCOMPARE(scores->size(), std::size_t{18});
    auto how = settings("reward", "pairs.jsonl", strategy.toStdString().c_str());
    if (lora)
      how.push_back("adapter.init_from=" + folder.string());
    else
      how[0] = "model=" + folder.string();
    const Recipe recipe = tiny_.recipe("again", how);
    LoadedModel loaded = load_model(lora ? base_ : folder, on_cpu()).take();
    const auto tensors = loss_of_rows(loaded, recipe, tiny_.root() / "pairs.jsonl");
    QVERIFY2(tensors.ok(), tensors ? "" : tensors.error().sentence().c_str());
    for (const auto& [name, tensor] : *tensors) {
      if (name != "rewards") continue;
      for (std::int64_t row = 0; row < 9; ++row) {
        const auto at = static_cast<std::size_t>(2 * row);
        QVERIFY(std::abs(tensor[row].item<double>() - (*scores)[at][0]) < 1e-5);
        QVERIFY(std::abs(tensor[row + 9].item<double>() - (*scores)[at + 1][0]) < 1e-5);
      }
    }
    QVERIFY(std::abs((*scores)[0][0] - (*scores)[1][0]) > 1e-4);
  }

  void steps_have_a_figure_each() {
    const auto model = RewardModel::open(base_, tiny_.root() / "prm/adapter", on_cpu());
    QVERIFY2(model.ok(), model ? "" : model.error().sentence().c_str());
    QVERIFY((*model)->of_steps());
    const auto scores = (*model)->score(asked("steps.jsonl"));
    QVERIFY2(scores.ok(), scores ? "" : scores.error().sentence().c_str());
    for (const auto& each : *scores) {
      QCOMPARE(each.size(), std::size_t{2});
      QVERIFY(each[0] > 0 && each[0] < 1 && each[1] > 0 && each[1] < 1);
    }
    // An answer of one text has the steps that its separators part; its last needs none.
    std::vector<AnswerToScore> one = asked("steps.jsonl");
    for (AnswerToScore& each : one) {
      std::string text;
      for (const Message& step : each.answer)
        text += (text.empty() ? "" : "\n") + step.content.front().text;
      each.answer = {Message{"assistant", {ContentPart::of_text(text)}}};
    }
    const auto parted = (*model)->score(one);
    QVERIFY(parted.ok());
    QCOMPARE(*parted, *scores);
    // As a reward function it is as good as its worst step.
    const Sample sample = read_samples({tiny_.root() / "steps.jsonl"}).take().front();
    const auto rewards = (*model)->rewards(
        {{one.front().answer.front().content.front().text, nullptr, &one.front().prompt, "row 1"}});
    QVERIFY(rewards.ok());
    QVERIFY(std::abs(rewards->front().value() - std::min((*scores)[0][0], (*scores)[0][1])) < 1e-6);
  }

  void what_is_no_reward_model_is_refused() {
    QVERIFY(train_headless(tiny_.recipe("sft", {"model=" + base_.string(), "init=pretrained",
                                                "training.max_steps=1"}),
                           {}, {}, {})
                .ok());
    for (const fs::path& folder : {tiny_.root() / "sft/adapter", base_}) {
      const auto model = RewardModel::open(base_, folder, on_cpu());
      QVERIFY(!model.ok());
      QVERIFY2(model.error().sentence().find("no head of scores") != std::string::npos,
               model.error().sentence().c_str());
    }
    Conversation question;
    question.messages = {Message{"user", {ContentPart::of_text("Who?")}}};
    const auto none = answers_in(question, "rows: row 1");
    QVERIFY(!none.ok() && none.error().where == "rows: row 1");
  }

  void answers_are_compared_by_their_rewards() {
    LoadedModel model = load_model(base_, on_cpu()).take();
    GenerationOptions options;
    options.max_new_tokens = 5;
    const auto samples = read_samples({tiny_.root() / "rows.jsonl"}).take();
    auto compared = compare_adapters(model, {{"sft", tiny_.root() / "sft"}}, samples, options);
    QVERIFY(compared.ok());
    const auto rewards = RewardModel::open(base_, tiny_.root() / "reward-lora/adapter", on_cpu());
    QVERIFY(rewards.ok());
    Comparison& comparison = *compared;
    const Status asked = score_by_reward(comparison, **rewards);
    QVERIFY2(asked.ok(), asked ? "" : asked.error().sentence().c_str());
    double won = 0;
    for (const ComparisonRow& row : comparison.rows) {
      const double base = row.answers[0].scores.at(kRewardScore),
                   own = row.answers[1].scores.at(kRewardScore);
      won += own > base ? 1 : own == base ? 0.5 : 0;
      QVERIFY(!row.answers[0].scores.contains(kWinRate));
    }
    const auto scores = column_scores(comparison, 1);
    const auto all = static_cast<double>(comparison.rows.size());
    QVERIFY(std::abs(scores.at(kWinRate).mean - won / all) < 1e-9);
    QCOMPARE(scores.at(kRewardScore).of, comparison.rows.size());
    const Json document = to_json(comparison, {});
    QCOMPARE(document["score_names"][kWinRate], Json("win rate"));
    QVERIFY(to_html(comparison).find("win rate") != std::string::npos);
  }
};

QTEST_GUILESS_MAIN(TestRewardScores)
#include "test_reward_scores.moc"
