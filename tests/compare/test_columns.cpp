// SPDX-License-Identifier: GPL-3.0-or-later
// Comparing for real, on a model of a few thousand weights: adapters and whole checkpoints as
// columns, what a comparison that is stopped leaves, draws that do not depend on who else is asked.
#include "engine/compare/compare.h"
#include "engine/generate/generate.h"
#include "engine/models/loaded_model.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "engine/session/headless.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

class TestColumns : public QObject {
  Q_OBJECT

  TinyRun tiny_;
  fs::path base_;
  std::vector<Sample> samples_;
  GenerationOptions options_;

  static LoadedModel load(const fs::path& folder) {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    return load_model(folder, options).take();
  }
  LoadedModel base() const { return load(base_); }

  static std::vector<std::string> texts(const Comparison& comparison, std::size_t column) {
    std::vector<std::string> result;
    for (const ComparisonRow& row : comparison.rows) result.push_back(row.answers[column].text);
    return result;
  }

 private slots:
  void initTestCase() {
    QVERIFY(
        train_headless(tiny_.recipe("start", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    base_ = tiny_.root() / "start/model";
    const std::vector<std::string> on_it{"model=" + base_.string(), "init=pretrained",
                                         "training.learning_rate=0.02"};
    auto full = on_it;
    full.push_back("strategy=full");
    QVERIFY(train_headless(tiny_.recipe("lora", on_it), {}, {}, {}).ok());
    QVERIFY(train_headless(tiny_.recipe("full", full), {}, {}, {}).ok());
    samples_ = read_samples({tiny_.root() / "rows.jsonl"}).take();
    options_.max_new_tokens = 6;
  }

  void a_whole_checkpoint_answers_as_it_does_alone() {
    LoadedModel model = base();
    const auto both =
        compare_adapters(model, {{"lora", tiny_.root() / "lora"}, {"full", tiny_.root() / "full"}},
                         samples_, options_);
    QVERIFY2(both.ok(), both ? "" : both.error().sentence().c_str());
    QVERIFY(!both->stopped);
    QCOMPARE(both->answered(), 3 * samples_.size());
    QVERIFY(!both->columns[1].whole && both->columns[2].whole);
    QVERIFY(both->columns[2].bytes > both->columns[1].bytes && both->columns[1].bytes > 0);
    LoadedModel alone = load(tiny_.root() / "full/model");
    const auto by_itself = compare_adapters(alone, {}, samples_, options_);
    QVERIFY(by_itself.ok());
    QCOMPARE(texts(*both, 2), texts(*by_itself, 0));
    QVERIFY(texts(*both, 2) != texts(*both, 0));
    // The base is as it was.
    QCOMPARE(texts(*compare_adapters(model, {}, samples_, options_), 0), texts(*both, 0));
  }

  void what_does_not_fit_is_found_before_anything_is_answered() {
    LoadedModel model = base();
    int asked = 0;
    const auto count = [&](std::size_t, std::size_t) { return ++asked > 0; };
    const auto tried = [&](const std::string& name, const fs::path& folder) {
      const auto result = compare_adapters(model, {{"full", tiny_.root() / "full"}, {name, folder}},
                                           samples_, options_, count);
      return result ? std::string() : result.error().sentence();
    };
    QVERIFY(QString::fromStdString(tried("a", tiny_.root() / "gone")).contains("no such folder"));
    QVERIFY(QString::fromStdString(tried("full", tiny_.root() / "lora")).contains("two columns"));
    QVERIFY(QString::fromStdString(tried("base", tiny_.root() / "lora")).contains("two columns"));
    auto broken = samples_;
    broken.back().conversation.messages.front().content.front() = {ContentPart::Kind::Image, "",
                                                                   tiny_.root() / "none.png"};
    const auto result = compare_adapters(model, {}, broken, options_, count);
    QVERIFY(!result.ok() && result.error().sentence().find("none.png") != std::string::npos);
    QCOMPARE(asked, 0);
  }

  void a_stopped_comparison_keeps_what_is_whole() {
    LoadedModel model = base();
    const std::size_t enough = samples_.size() + 2;
    const auto stop = [&](std::size_t done, std::size_t) { return done < enough; };
    const auto half =
        compare_adapters(model, {{"lora", tiny_.root() / "lora"}}, samples_, options_, stop);
    QVERIFY(half.ok());
    QVERIFY(half->stopped);
    QCOMPARE(half->answered(), enough);
    const auto whole =
        compare_adapters(model, {{"lora", tiny_.root() / "lora"}}, samples_, options_);
    for (std::size_t row = 0; row < samples_.size(); ++row) {
      for (std::size_t column = 0; column < 2; ++column) {
        const ComparisonAnswer& answer = half->rows[row].answers[column];
        if (answer.whole())
          QCOMPARE(answer.text, whole->rows[row].answers[column].text);
        else
          QVERIFY(answer.scores.empty() && answer.text.empty() && answer.tokens.empty());
      }
    }
    // Both columns answer together, so each has some.
    std::size_t scored = 0;
    for (std::size_t column = 0; column < 2; ++column) {
      const auto scores = column_scores(*half, column);
      if (scores.contains("exact")) scored += scores.at("exact").of;
    }
    QCOMPARE(scored, enough);
  }

  void a_sample_asked_alone_draws_what_it_draws_among_others() {
    const LoadedModel model = base();
    GenerationOptions drawn = options_;
    drawn.temperature = 1;
    std::vector<std::string> together(samples_.size());
    const auto all = [&](std::size_t index, const Generated& answer) {
      together[index] = answer.text;
      return true;
    };
    QVERIFY(answer_samples(model, *model.processor, samples_, {}, drawn, all).ok());
    std::string alone;
    const auto one = [&](std::size_t, const Generated& answer) {
      alone = answer.text;
      return true;
    };
    const std::vector<std::uint64_t> place{4};
    QVERIFY(answer_samples(model, *model.processor, {samples_[4]}, place, drawn, one).ok());
    QCOMPARE(alone, together[4]);
  }

  void tokens_of_an_answer_cover_its_text() {
    const LoadedModel model = base();
    GenerationOptions drawn = options_;
    drawn.temperature = 1.5;
    drawn.max_new_tokens = 20;
    std::size_t answers = 0;
    const auto check = [&](std::size_t, const Generated& answer) {
      if (answer.finish.empty()) return true;
      ++answers;
      std::size_t covered = 0;
      for (const AnswerToken& token : answer.tokens) {
        if (token.begin < token.end && token.begin <= covered)
          covered = std::max(covered, token.end);
      }
      return covered == answer.text.size();
    };
    QVERIFY(answer_samples(model, *model.processor, samples_, {}, drawn, check).ok());
    QCOMPARE(answers, samples_.size());
  }
};

QTEST_GUILESS_MAIN(TestColumns)
#include "test_columns.moc"
