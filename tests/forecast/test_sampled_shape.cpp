// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast of runs that learn from several samples of a prompt: what a micro-batch of them is,
// that what they are drawn with counts, and that a run measures what was said.
#include <QtTest>

#include "engine/data/row_kind.h"
#include "engine/forecast/sampled_shape.h"
#include "engine/models/model_summary.h"
#include "tests/forecast/measured.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Prompts, or with `samples` of `length` tokens each.
void write_rows(const fs::path& path, int count, int samples = 0, int length = 0) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json row = {{"prompt", "<image>What is number " + std::to_string(i % 9) + "?"},
                {"images", {(fixture() / "b.jpg").string()}},
                {"target_length", 9}};
    for (int j = 0; j < samples; ++j) {
      Json ids = Json::array();
      for (int at = 0; at < length; ++at) ids.push_back(5 + (at * 7 + i * 3 + j) % 20);
      row["completion_ids"].push_back(ids);
      row["rewards"].push_back(j);
    }
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

Recipe recipe_of(const TinyRun& tiny, const std::vector<std::string>& more) {
  std::vector<std::string> settings{"objective=grpo",
                                    "dataset=" + (tiny.root() / "prompts.jsonl").string(),
                                    "grpo.reward_funcs=[length]",
                                    "grpo.num_generations=4",
                                    "grpo.max_completion_length=40",
                                    "training.per_device_train_batch_size=8",
                                    "training.max_steps=3",
                                    "training.logging_steps=1",
                                    "training.shuffle=false"};
  settings.insert(settings.end(), more.begin(), more.end());
  return tiny.recipe("run", settings);
}

}  // namespace

class TestSampledShape : public QObject {
  Q_OBJECT

 private slots:
  void groups_make_a_micro_batch() {
    TinyRun tiny;
    write_rows(tiny.root() / "prompts.jsonl", 12);
    const auto forecast = plan(recipe_of(tiny, {}));
    QVERIFY2(forecast.ok(), forecast ? "" : forecast.error().sentence().c_str());
    const auto longer = plan(recipe_of(tiny, {"grpo.max_completion_length=41"}));
    QVERIFY(longer.ok());
    QCOMPARE(longer->batch_tokens - forecast->batch_tokens, std::int64_t{8});
    const auto more = plan(recipe_of(tiny, {"training.per_device_train_batch_size=16"}));
    QVERIFY(more.ok());
    QCOMPARE(more->batch_tokens, 2 * forecast->batch_tokens);
  }

  /// Keys and values of 2 layers, 2 heads of 16 numbers each; of answers so long, and so many at
  /// once, that a step of two of them is small beside them.
  void what_answers_are_drawn_with_counts() {
    TinyRun tiny;
    write_rows(tiny.root() / "prompts.jsonl", 16);
    const auto summary = summarize_model(tiny.root() / "model");
    QVERIFY(summary.ok());
    BatchShape batch;
    batch.drawn_rows = 32, batch.drawn_length = 100;
    QCOMPARE(drawing_bytes(*summary, batch, 4), std::int64_t{32} * 100 * 2 * 2 * 2 * 16 * 4);
    const auto room = [&](int batches) {
      const auto forecast = plan(recipe_of(
          tiny, {"grpo.max_completion_length=12000", "grpo.num_generations=2",
                 "training.per_device_train_batch_size=2", "training.gradient_checkpointing=true",
                 "training.gradient_accumulation_steps=1",
                 "grpo.steps_per_generation=" + std::to_string(batches)}));
      if (!forecast) qWarning("%s", forecast.error().sentence().c_str());
      return forecast ? forecast->parts.activations + forecast->parts.workspace : 0;
    };
    const std::int64_t few = room(1), many = room(16), cache = std::int64_t{32} * 12000 * 512;
    QVERIFY2(few > 0 && few < cache, qPrintable(QString::number(few)));
    QVERIFY2(many > cache && many < cache * 11 / 10, qPrintable(QString::number(many)));
  }

  void a_run_meets_it_data() {
    QTest::addColumn<bool>("given");
    QTest::addColumn<QString>("strategy");
    QTest::newRow("given") << true << "lora";
    QTest::newRow("drawn") << false << "lora";
    QTest::newRow("given, all weights") << true << "full";
  }
  void a_run_meets_it() {
    QFETCH(bool, given);
    QFETCH(QString, strategy);
    TinyRun tiny({256, 512, 4, 64, 128});
    write_rows(tiny.root() / "prompts.jsonl", 6);
    write_rows(tiny.root() / "samples.jsonl", 6, 4, 40);
    std::vector<std::string> more{"strategy=" + strategy.toStdString()};
    if (given) more.push_back("grpo.rollouts=" + (tiny.root() / "samples.jsonl").string());
    meets(recipe_of(tiny, more));
  }
};

QTEST_GUILESS_MAIN(TestSampledShape)
#include "test_sampled_shape.moc"
