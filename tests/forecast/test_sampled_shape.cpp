// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast of runs that learn from several samples of a prompt: what a micro-batch of them is,
// that what they are drawn with counts, and that a run measures what was said.
#include "engine/data/row_kind.h"
#include "engine/forecast/sampled_shape.h"
#include "engine/models/loaded_model.h"

#include <QtTest>  // after LibTorch, whose names Qt's keywords would break

#include "tests/forecast/measured.h"
#include "tests/train/tiny_run.h"
#include "tests/train/tiny_weights.h"

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

void write_pairs(const fs::path& path) {
  std::string text;
  for (int i = 0; i < 4; ++i)
    text += Json({{"prompt", "Who?"}, {"chosen", "It is " + std::to_string(i)}, {"rejected", "No"}})
                .dump() +
            "\n";
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
  /// However samples are spread over a micro-batch, its prompts go once: three measures that were
  /// taken for whole rows once.
  void shuffled_samples_share_their_prompts_data() {
    QTest::addColumn<int>("batch");
    QTest::addColumn<int>("samples");
    QTest::newRow("two groups of four") << 8 << 4;
    QTest::newRow("four groups of four") << 16 << 4;
    QTest::newRow("two groups of two") << 4 << 2;
  }
  void shuffled_samples_share_their_prompts() {
    QFETCH(int, batch);
    QFETCH(int, samples);
    std::vector<RowShape> rows(6);
    for (RowShape& row : rows) row.lengths = {30}, row.tokens = 30, row.beginning = 29;
    TinyRun tiny;
    write_rows(tiny.root() / "prompts.jsonl", 12);
    const auto shape = batch_shape(
        rows, recipe_of(tiny, {"training.shuffle=true", "grpo.steps_per_generation=1",
                               "grpo.num_generations=" + std::to_string(samples),
                               "training.per_device_train_batch_size=" + std::to_string(batch)}));
    QVERIFY2(shape.ok(), shape ? "" : shape.error().sentence().c_str());
    std::int64_t sequences = 0;
    for (const AlikeBeginning& each : shape->beginnings) {
      QVERIFY(each.sequences >= 1 && each.sequences <= samples);
      sequences += each.sequences;
    }
    QCOMPARE(std::ssize(shape->beginnings), std::int64_t{batch / samples});
    QCOMPARE(sequences, std::ssize(shape->lengths));
  }

  /// A shorter row whose prompt is not worth parting off can need more than a longer one's fork.
  void a_row_that_stays_whole_is_looked_at_too() {
    TinyRun tiny;
    write_pairs(tiny.root() / "pairs.jsonl");
    std::vector<RowShape> rows(2);
    rows[0].row = 0, rows[0].lengths = {2100, 2100}, rows[0].tokens = 4200;
    rows[0].beginning = 2000, rows[0].labels = 200;
    rows[1].row = 1, rows[1].lengths = {1950, 1950}, rows[1].tokens = 3900;
    rows[1].beginning = 250, rows[1].labels = 3400;
    const Recipe recipe =
        tiny.recipe("run", {"objective=dpo", "dataset=" + (tiny.root() / "pairs.jsonl").string(),
                            "training.per_device_train_batch_size=1", "training.max_length=0"});
    const auto shape = batch_shape(rows, recipe);
    QVERIFY2(shape.ok(), shape ? "" : shape.error().sentence().c_str());
    QCOMPARE(shape->tokens, std::int64_t{4200});
    QCOMPARE(shape->others.size(), std::size_t{1});
    QCOMPARE(shape->others.front().tokens, std::int64_t{3900});
    rows[1].beginning = 0;
    const auto whole = batch_shape(rows, recipe);
    QVERIFY(whole.ok() && whole->beginnings.empty() && whole->others.empty());
  }

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

  /// The teacher and the reward model stand beside what learns; answers are as long as they may be.
  void others_beside_it_count_data() {
    QTest::addColumn<QString>("settings");
    QTest::newRow("grpo, a reward model")
        << "objective=grpo;grpo.reward_funcs=[JUDGE];grpo.num_generations=4;"
           "grpo.max_completion_length=40";
    QTest::newRow("grpo, an adapter's reward model")
        << "objective=grpo;grpo.reward_funcs=[HUNG];grpo.num_generations=4;"
           "grpo.max_completion_length=40";
    QTest::newRow("online_dpo") << "objective=online_dpo;online_dpo.reward_model=JUDGE;"
                                   "online_dpo.max_new_tokens=40";
    QTest::newRow("xpo, full") << "objective=xpo;strategy=full;xpo.reward_model=JUDGE;"
                                  "xpo.max_new_tokens=40";
    QTest::newRow("nash_md") << "objective=nash_md;nash_md.reward_model=JUDGE;"
                                "nash_md.max_new_tokens=40";
    QTest::newRow("distillation") << "objective=distillation;"
                                     "distillation.max_completion_length=40;"
                                     "distillation.teacher_model_name_or_path=TEACHER";
    QTest::newRow("distillation, full")
        << "objective=distillation;strategy=full;distillation.max_completion_length=40;"
           "distillation.teacher_model_name_or_path=TEACHER";
  }
  void others_beside_it_count() {
    QFETCH(QString, settings);
    const TinyModel size{256, 512, 4, 64, 128};
    TinyRun tiny(size);
    write_model(tiny.root() / "base", size, 3);
    TinyModel larger = size;
    larger.hidden = 320;
    write_model(tiny.root() / "teacher", larger, 4);
    write_rows(tiny.root() / "prompts.jsonl", 8);
    write_pairs(tiny.root() / "pairs.jsonl");
    const auto in = [&](const char* name) { return (tiny.root() / name).string(); };
    for (const bool whole : {true, false}) {
      const std::string out = whole ? "whole" : "hung";
      const auto left = train_headless(
          tiny.recipe(out, {"init=pretrained", "model=" + in("base"), "objective=reward",
                            "dataset=" + in("pairs.jsonl"),
                            whole ? "strategy=full" : "strategy=lora", "training.max_steps=1"}),
          {}, [](const SessionEvent&) {}, {});
      QVERIFY2(left.ok(), left ? "" : left.error().sentence().c_str());
    }
    std::vector<std::string> more{"init=pretrained",
                                  "model=" + in("base"),
                                  "dataset=" + in("prompts.jsonl"),
                                  "training.per_device_train_batch_size=4",
                                  "training.max_steps=3",
                                  "training.logging_steps=1",
                                  "training.shuffle=false"};
    for (QString each : settings.split(';')) {
      each.replace("JUDGE", QString::fromStdString(in("whole/model")));
      each.replace("HUNG", QString::fromStdString(in("hung/adapter")));
      each.replace("TEACHER", QString::fromStdString(in("teacher")));
      more.push_back(each.toStdString());
    }
    meets(tiny.recipe("run", more));
  }

  /// A file's rows come again and again, so that one may stand twice in a micro-batch; those of a
  /// file without weight never come.
  void rows_of_a_mixture_may_come_twice() {
    TinyRun tiny;
    write_text(tiny.root() / "one.jsonl", Json({{"prompt", "<image>" + std::string(300, 'a')},
                                                {"images", {(fixture() / "b.jpg").string()}},
                                                {"completion", "It is."}})
                                                  .dump() +
                                              "\n");
    write_text(tiny.root() / "many.jsonl", [] {
      std::string text;
      for (int i = 0; i < 9; ++i)
        text += Json({{"prompt", "What is it?"}, {"completion", "Number " + std::to_string(i)}})
                    .dump() +
                "\n";
      return text;
    }());
    const auto tokens = [&](const std::vector<std::string>& more) {
      std::vector<std::string> settings{"dataset=[" + (tiny.root() / "many.jsonl").string() + ", " +
                                            (tiny.root() / "one.jsonl").string() + "]",
                                        "training.per_device_train_batch_size=4"};
      settings.insert(settings.end(), more.begin(), more.end());
      const auto forecast = plan(tiny.recipe("run", settings));
      if (!forecast) qWarning("%s", forecast.error().sentence().c_str());
      return forecast ? forecast->batch_tokens : 0;
    };
    const std::int64_t once = tokens({}), often = tokens({"mixture.weights=[1, 9]"}),
                       never = tokens({"mixture.weights=[1, 0]"});
    const std::int64_t of_one = once - never * 3 / 4;
    QVERIFY2(never > 0 && std::abs(often - 4 * of_one) <= 4,
             qPrintable(QString("%1 %2 %3").arg(once).arg(often).arg(never)));
    const std::int64_t course = tokens({"curriculum.by=length"});
    QCOMPARE(course, often);
  }
};

QTEST_GUILESS_MAIN(TestSampledShape)
#include "test_sampled_shape.moc"
