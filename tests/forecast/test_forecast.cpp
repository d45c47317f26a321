// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast against what a run measures, for small models whose parts differ widely: within a tenth, with and without checkpointing.
#include <QtTest>

#include "engine/session/headless.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

class TestForecast : public QObject {
  Q_OBJECT

 private slots:
  void meets_the_measured_peak_data() {
    QTest::addColumn<QString>("settings");
    QTest::newRow("lora") << "strategy=lora";
    QTest::newRow("lora, rank 64") << "adapter.r=64";
    QTest::newRow("lora, decoder alone") << "adapter.exclude_modules=.*(vision_tower|projector).*";
    QTest::newRow("lora, attention alone") << "adapter.target_modules=q_proj,v_proj";
    QTest::newRow("lora, no dropout") << "adapter.lora_dropout=0";
    QTest::newRow("lora, head saved") << "adapter.modules_to_save=lm_head";
    QTest::newRow("recomputed") << "training.gradient_checkpointing=true";
    QTest::newRow("one row") << "training.per_device_train_batch_size=1";
    QTest::newRow("accumulated") << "training.gradient_accumulation_steps=4";
    QTest::newRow("full") << "strategy=full";
    QTest::newRow("full, accumulated") << "strategy=full;training.gradient_accumulation_steps=2";
    QTest::newRow("full, recomputed") << "strategy=full;training.gradient_checkpointing=true";
    QTest::newRow("projector") << "strategy=freeze";
    QTest::newRow("rows of different lengths") << "ragged=near";
    QTest::newRow("a row far longer than the others") << "ragged=far";
    QTest::newRow("rows of different lengths, recomputed") << "ragged=near;training.gradient_checkpointing=true";
    QTest::newRow("decoder") << "strategy=freeze;freeze.language_model=false;freeze.projector=true";
  }
  void meets_the_measured_peak() {
    QFETCH(QString, settings);
    TinyModel size;
    size.hidden = 192, size.wide = 512, size.layers = 4, size.vision_hidden = 96, size.vision_wide = 256;
    TinyRun tiny(size, 1);
    std::string text;   // rows of one length, so that the longest batch is every batch
    const std::string answer = std::string("It is one of many words that make a row long enough to matter here, said again and again. ") + std::string("and again ", 10);
    for (int i = 0; i < 8; ++i) {
      std::string whole = answer + answer + answer + answer;
      if (settings.contains("ragged=near")) whole.resize(whole.size() - static_cast<std::size_t>(i) * 9);
      if (settings.contains("ragged=far") && i > 0) whole.resize(whole.size() / 3);
      text += row(i, whole, fixture() / "a.png").dump() + "\n";
    }
    write_text(tiny.root() / "rows.jsonl", text);
    std::vector<std::string> all{"training.max_steps=3", "training.per_device_train_batch_size=8", "training.gradient_accumulation_steps=1", "training.save_steps=0"};
    for (const QString& each : settings.split(';')) {
      if (!each.startsWith("ragged")) all.push_back(each.toStdString());
    }
    const Recipe recipe = tiny.recipe("run", all);
    const auto forecast = plan(recipe);
    QVERIFY2(forecast.ok(), forecast ? "" : forecast.error().sentence().c_str());
    std::int64_t peak = 0;
    const auto result = train_headless(recipe, {}, [&](const SessionEvent& event) {
      if (const auto* step = std::get_if<StepDone>(&event)) peak = std::max(peak, step->line.memory.peak);
    }, {});
    QVERIFY2(result.ok(), result ? "" : result.error().sentence().c_str());
    const double ratio = static_cast<double>(forecast->parts.total()) / static_cast<double>(peak);
    qInfo("forecast %.2f MiB, measured %.2f MiB, ratio %.3f", static_cast<double>(forecast->parts.total()) / (1 << 20), static_cast<double>(peak) / (1 << 20), ratio);
    QVERIFY(ratio > 0.9 && ratio < 1.1);
  }

  void counts_what_trains() {
    TinyRun tiny;
    const auto summary = summarize_model(tiny.root() / "model");
    QVERIFY(summary.ok());
    const auto full = trained_modules(*summary, tiny.recipe("run", {"strategy=full"}));
    QCOMPARE(full->parameters, summary->parameters);
    const auto lora = trained_modules(*summary, tiny.recipe("run", {"adapter.target_modules=q_proj", "adapter.exclude_modules=.*vision_tower.*"}));
    QCOMPARE(lora->wrapped.size(), std::size_t(2));
    QCOMPARE(lora->parameters, 2 * 4 * (64 + 64));
    QVERIFY(!trained_modules(*summary, tiny.recipe("run", {"adapter.target_modules=nothing"})).ok());
  }

  void advises_when_it_will_not_fit() {
    TinyRun tiny;
    const auto summary = summarize_model(tiny.root() / "model");
    BatchShape huge{64, 64'000'000, 1'000'000, {64, 64, 0, 64 * 3 * 64 * 64, 64 * 16}, {}};
    const auto forecast = forecast_memory(*summary, tiny.recipe("run", {"training.gradient_checkpointing=auto", "training.per_device_train_batch_size=64"}), huge);
    QVERIFY(forecast.ok());
    QVERIFY(!forecast->fits());
    QVERIFY(forecast->gradient_checkpointing);
    QVERIFY(!forecast->advice.empty());
    const Json json = to_json(*forecast);
    QCOMPARE(json["total"].get<std::int64_t>(), forecast->parts.total());
  }
};

QTEST_GUILESS_MAIN(TestForecast)
#include "test_forecast.moc"
