// SPDX-License-Identifier: GPL-3.0-or-later
// An answer that stands under every column, on a model of a few thousand weights: one forward says
// what decoding said token by token; a whole checkpoint and what does not fit; attention weights.
#include "engine/compare/attention_weights.h"
#include "engine/compare/base_columns.h"
#include "engine/compare/compare.h"
#include "engine/models/loaded_model.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "engine/session/headless.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

class TestForcedAnswer : public QObject {
  Q_OBJECT

  TinyRun tiny_;
  std::unique_ptr<LoadedModel> base_;
  Comparison comparison_;

 private slots:
  void initTestCase() {
    QVERIFY(
        train_headless(tiny_.recipe("start", {"strategy=full", "training.max_steps=1"}), {}, {}, {})
            .ok());
    const fs::path folder = tiny_.root() / "start/model";
    const std::vector<std::string> on_it{"model=" + folder.string(), "init=pretrained",
                                         "training.learning_rate=0.02"};
    auto full = on_it;
    full.push_back("strategy=full");
    QVERIFY(train_headless(tiny_.recipe("lora", on_it), {}, {}, {}).ok());
    QVERIFY(train_headless(tiny_.recipe("full", full), {}, {}, {}).ok());
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    base_ = std::make_unique<LoadedModel>(load_model(folder, options).take());
    GenerationOptions asked;
    asked.max_new_tokens = 6;
    const auto samples = read_samples({tiny_.root() / "rows.jsonl"}).take();
    auto made =
        compare_adapters(*base_, {{"lora", tiny_.root() / "lora"}, {"full", tiny_.root() / "full"}},
                         {samples.begin(), samples.begin() + 2}, asked);
    QVERIFY2(made.ok(), made ? "" : made.error().sentence().c_str());
    comparison_ = made.take();
  }

  void one_forward_says_what_decoding_said() {
    for (std::size_t column = 0; column < 3; ++column) {
      comparison_.reference = column;
      for (ComparisonRow& row : comparison_.rows) row.scored.clear();
      const Status scored = score_rows(comparison_, *base_, comparison_.columns[column].name);
      QVERIFY2(scored.ok(), scored ? "" : scored.error().sentence().c_str());
      for (const ComparisonRow& row : comparison_.rows) {
        const ScoredAnswer& answer = row.scored.at(0);
        const ComparisonAnswer& own = row.answers[column];
        QCOMPARE(answer.text, own.text);
        QCOMPARE(answer.columns.size(), std::size_t(3));
        QVERIFY(!answer.columns[column].first_other(answer.tokens));  // it was greedy
        double others = 0;
        for (std::size_t i = 0; i < own.tokens.size(); ++i) {
          QVERIFY(std::abs(answer.columns[column].tokens[i].logprob - own.tokens[i].logprob) <
                  1e-4);
          QCOMPARE(answer.columns[column].tokens[i].divergence, 0.0);
          for (std::size_t other = 0; other < 3; ++other)
            others += answer.columns[other].tokens[i].divergence;
        }
        QVERIFY(others > 0);
      }
    }
    comparison_.reference = 0;
  }

  void what_does_not_fit_is_said() {
    QVERIFY(QString::fromStdString(score_rows(comparison_, *base_, "none").error().sentence())
                .contains("no column"));
    Comparison without = comparison_;
    for (ComparisonRow& row : without.rows) {
      auto& messages = row.sample.conversation.messages;
      if (messages.back().role == "assistant") messages.pop_back();
    }
    QVERIFY(QString::fromStdString(score_rows(without, *base_, kExpectedAnswer).error().sentence())
                .contains("No row has an answer"));
    ForcedAnswer foreign{comparison_.rows[0].sample, "base", {1'000'000}};
    const auto door = base_columns(*base_, comparison_.columns);
    const auto refused = score_forced({foreign}, column_names(comparison_.columns), 0, door);
    QVERIFY(!refused.ok() && refused.error().sentence().find("another model") != std::string::npos);
    const auto stopped = score_rows(comparison_, *base_, "base", [] { return false; });
    QCOMPARE(stopped.error().code, ErrorCode::Interrupted);
  }

  void attention_adds_up() {
    const auto door = base_columns(*base_, comparison_.columns);
    ForcedAnswer asked{comparison_.rows[0].sample, "base", {}};
    for (const AnswerToken& token : comparison_.rows[0].answers[0].tokens)
      asked.ids.push_back(token.id);
    const auto names = column_names(comparison_.columns);
    const auto found = find_attention(asked, 1, names, door);
    QVERIFY2(found.ok(), found ? "" : found.error().sentence().c_str());
    QCOMPARE(found->columns.size(), std::size_t(3));
    for (const ColumnAttention& column : found->columns) {
      QCOMPARE(column.layers, base_->model->geometry().num_hidden_layers);
      QCOMPARE(column.heads, base_->model->geometry().num_attention_heads);
      const auto keys = static_cast<std::size_t>(column.keys);
      for (std::size_t row = 0; row < column.weights.size(); row += keys) {
        double sum = 0;
        for (std::size_t key = 0; key < keys; ++key) {
          const double weight = static_cast<double>(column.weights[row + key]);
          sum += weight;
          // Nothing behind the query is seen.
          if (static_cast<std::int64_t>(key) > found->query) QCOMPARE(weight, 0.0);
        }
        QVERIFY(std::abs(sum - 1) < 1e-5);
      }
      double all = 0;
      for (const double share : column.mean({}, {})) all += share;
      QVERIFY(std::abs(all - 1) < 1e-5);
    }
    QVERIFY(found->columns[0].weights != found->columns[1].weights);
    // A cell is a picture's token, and each is one once.
    std::set<std::size_t> cells;
    for (const PictureGrid& grid : found->grids) {
      QCOMPARE(grid.places.size(), static_cast<std::size_t>(grid.rows * grid.columns));
      cells.insert(grid.places.begin(), grid.places.end());
    }
    std::size_t wanted = 0;
    for (const PictureGrid& grid : found->grids) wanted += grid.places.size();
    QCOMPARE(cells.size(), wanted);
    QVERIFY(!find_attention(asked, 99, names, door).ok());
  }
};

QTEST_GUILESS_MAIN(TestForcedAnswer)
#include "test_forced_answer.moc"
