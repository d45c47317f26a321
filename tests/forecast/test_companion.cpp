// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast of runs in which a second model learns beside the policy: that both are counted,
// with the reference, and that a run measures what was said.
#include <QtTest>

#include "tests/forecast/measured.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

void write_rows(const fs::path& path, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Json ids = Json::array();
    for (int at = 0; at < 40; ++at) ids.push_back(5 + (at * 7 + i * 3) % 20);
    const Json row = {{"prompt", "<image>What is number " + std::to_string(i % 9) + "?"},
                      {"images", {(fixture() / "b.jpg").string()}},
                      {"chosen", "It is."},
                      {"rejected", "No."},
                      {"completion_ids", {ids}},
                      {"rewards", {i}}};
    text += row.dump() + "\n";
  }
  write_text(path, text);
}

/// What a run with objective: reward leaves.
std::string judge(const TinyRun& tiny, const std::string& strategy) {
  const Recipe recipe =
      tiny.recipe("judge", {"objective=reward", "dataset=" + (tiny.root() / "rows.jsonl").string(),
                            "strategy=" + strategy, "training.max_steps=1"});
  const auto made = train_headless(recipe, {}, {}, {});
  if (!made) qFatal("%s", made.error().sentence().c_str());
  return (tiny.root() / "judge" / (strategy == "full" ? "model" : "adapter")).string();
}

Recipe recipe_of(const TinyRun& tiny, const std::vector<std::string>& more) {
  std::vector<std::string> settings{"objective=ppo",
                                    "ppo.rollouts=" + (tiny.root() / "rows.jsonl").string(),
                                    "ppo.response_length=40",
                                    "training.per_device_train_batch_size=4",
                                    "training.gradient_accumulation_steps=1",
                                    "training.max_steps=3",
                                    "training.logging_steps=1",
                                    "training.shuffle=false"};
  settings.insert(settings.end(), more.begin(), more.end());
  return tiny.recipe("run", settings);
}

}  // namespace

class TestCompanion : public QObject {
  Q_OBJECT

 private slots:
  void all_models_are_counted() {
    TinyRun tiny({256, 512, 4, 64, 128});
    write_rows(tiny.root() / "rows.jsonl", 4);
    const auto forecast =
        plan(recipe_of(tiny, {"strategy=full", "ppo.value_model=" + judge(tiny, "full")}));
    QVERIFY2(forecast.ok(), forecast ? "" : forecast.error().sentence().c_str());
    std::int64_t value = 0, reference = 0, all = 0;
    for (const auto& [name, bytes] : forecast->weights_by_part) {
      all += bytes;
      if (name == "value_model") value = bytes;
      if (name == "reference") reference = bytes;
    }
    QCOMPARE(all, forecast->parts.weights);
    const std::int64_t policy = all - value - reference;
    QCOMPARE(reference, policy);
    QCOMPARE(value, policy);
  }

  void a_run_meets_it_data() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<QString>("value");
    QTest::newRow("two adapters") << "lora"
                                  << "lora";
    QTest::newRow("an adapter and a whole value model") << "lora"
                                                        << "full";
    QTest::newRow("all weights of both") << "full"
                                         << "full";
  }
  void a_run_meets_it() {
    QFETCH(QString, strategy);
    QFETCH(QString, value);
    TinyRun tiny({256, 512, 4, 64, 128});
    write_rows(tiny.root() / "rows.jsonl", 4);
    meets(recipe_of(tiny, {"strategy=" + strategy.toStdString(),
                           "ppo.value_model=" + judge(tiny, value.toStdString())}));
  }
};

QTEST_GUILESS_MAIN(TestCompanion)
#include "test_companion.moc"
