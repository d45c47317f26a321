// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast against what a run measures, for small models whose parts differ widely and for the
// teaching model's tasks: within a twentieth.
#include "engine/forecast/trained.h"
#include "engine/models/loaded_model.h"

#include <QtTest>  // after LibTorch, whose names Qt's keywords would break

#include "engine/teaching/teaching.h"
#include "tests/forecast/measured.h"
#include "tests/rounds.h"
#include "tests/train/tiny_run.h"
#include "tests/train/tiny_weights.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// The row as the objective of the settings takes it.
Json as_asked(const Json& row, const QString& settings) {
  const Json asked = Json::array({row["messages"][0]}), said = Json::array({row["messages"][1]});
  for (const char* pairs : {"dpo", "orpo", "cpo", "reward"})
    if (settings.contains(QString("objective=%1").arg(pairs)))
      return {{"prompt", asked}, {"chosen", said}, {"rejected", said}};
  for (const char* single : {"kto", "bco"})
    if (settings.contains(QString("objective=%1").arg(single)))
      return {{"prompt", asked}, {"completion", said}, {"label", true}};
  if (settings.contains("objective=prm")) {
    const std::string step = row["messages"][1]["content"][0]["text"];
    return {{"prompt", asked}, {"completions", {step, step}}, {"labels", {true, false}}};
  }
  return row;
}

/// A row of data that is added where this round takes it.
struct ForecastRow {
  QString name;
  bool taken;
  void operator<<(const QString& settings) const {
    if (taken) QTest::newRow(qPrintable(name)) << settings;
  }
};

}  // namespace

class TestForecast : public QObject {
  Q_OBJECT

 private slots:
  void meets_the_measured_peak_data() {
    QTest::addColumn<QString>("settings");
    // A daily round takes every fourth of them.
    std::size_t number = 0;
    const auto row = [&](const QString& name) {
      return ForecastRow{name, test::in_this_round(number++, 4)};
    };
    // First: among blocks that other runs have left it takes 2 % more than by itself.
    row("lora, head alone") << "adapter.target_modules=lm_head;adapter.r=4";
    row("lora") << "strategy=lora";
    row("lora, rank 64") << "adapter.r=64";
    row("lora, decoder alone") << "adapter.exclude_modules=.*(vision_tower|projector).*";
    row("lora, attention alone") << "adapter.target_modules=q_proj,v_proj";
    row("lora, no dropout") << "adapter.lora_dropout=0";
    row("lora, head saved") << "adapter.modules_to_save=lm_head";
    row("lora, head adapted") << "adapter.target_modules=q_proj,lm_head";
    row("recomputed") << "training.gradient_checkpointing=true";
    row("one row") << "training.per_device_train_batch_size=1";
    row("accumulated") << "training.gradient_accumulation_steps=4";
    row("full") << "strategy=full";
    row("full, accumulated") << "strategy=full;training.gradient_accumulation_steps=2";
    row("full, bfloat16") << "strategy=full;training.dtype=bfloat16";
    row("full, bfloat16, accumulated")
        << "strategy=full;training.dtype=bfloat16;training.gradient_accumulation_steps=2;rows=16";
    row("full, bfloat16, accumulated, too few rows for a second micro-batch")
        << "strategy=full;training.dtype=bfloat16;training.gradient_accumulation_steps=2";
    row("full, bfloat16, accumulated, one row")
        << "strategy=full;training.dtype=bfloat16;training.gradient_accumulation_steps=4;"
           "training.per_device_train_batch_size=1";
    row("decoder, bfloat16, accumulated, recomputed")
        << "strategy=freeze;freeze.language_model=false;freeze.projector=true;"
           "training.dtype=bfloat16;training.gradient_accumulation_steps=2;rows=16;"
           "training.gradient_checkpointing=true";
    row("full, recomputed") << "strategy=full;training.gradient_checkpointing=true";
    row("projector") << "strategy=freeze";
    row("projector, one row") << "strategy=freeze;training.per_device_train_batch_size=1";
    row("projector, accumulated") << "strategy=freeze;training.gradient_accumulation_steps=2";
    // A step is a fifth of an epoch: in the second one all rows are kept.
    row("projector, many rows") << "strategy=freeze;rows=40;training.max_steps=6";
    row("projector, no row comes again") << "strategy=freeze;rows=40;training.max_steps=5";
    row("lora, decoder alone, many rows")
        << "adapter.exclude_modules=.*(vision_tower|projector).*;rows=40;training.max_steps=6";
    row("tower") << "strategy=freeze;freeze.vision_tower=false;freeze.projector=true";
    row("projector and decoder") << "strategy=freeze;freeze.language_model=false";
    row("projector, recomputed") << "strategy=freeze;training.gradient_checkpointing=true";
    row("rows of different lengths") << "ragged=near";
    row("a row far longer than the others") << "ragged=far";
    row("rows of different lengths, recomputed")
        << "ragged=near;training.gradient_checkpointing=true";
    row("decoder") << "strategy=freeze;freeze.language_model=false;freeze.projector=true";
    row("ia3") << "strategy=ia3";
    row("ia3, recomputed") << "strategy=ia3;training.gradient_checkpointing=true";
    row("bottleneck") << "strategy=bottleneck";
    row("bottleneck, wide and smooth")
        << "strategy=bottleneck;adapter.reduction_factor=2;adapter.non_linearity=gelu";
    row("bottleneck, both branches")
        << "strategy=bottleneck;adapter.config=houlsby;adapter.reduction_factor=4";
    row("bottleneck, after the feed-forward") << "strategy=bottleneck;adapter.config=pfeiffer";
    row("prompt") << "strategy=prompt_tuning";
    row("prompt, long") << "strategy=prompt_tuning;adapter.num_virtual_tokens=150";
    row("prompt, rows of different lengths")
        << "strategy=prompt_tuning;adapter.num_virtual_tokens=60;ragged=near";
    row("prompt, recomputed") << "strategy=prompt_tuning;adapter.num_virtual_tokens=60;"
                                 "training.gradient_checkpointing=true";
    row("visual prompts") << "strategy=visual_prompt_tuning";
    row("visual prompts, many and deep")
        << "strategy=visual_prompt_tuning;adapter.num_virtual_tokens=60;adapter.prompt_depth=deep";
    for (const char* objective : {"dpo", "orpo", "cpo", "kto", "bco", "reward", "prm"}) {
      const QString chosen = QString("objective=%1;training.shuffle=false").arg(objective);
      row(objective) << chosen;
      row(QString("%1, full").arg(objective)) << chosen + ";strategy=full";
      row(QString("%1, projector").arg(objective)) << chosen + ";strategy=freeze";
    }
    row("dpo, full, asked beforehand")
        << "objective=dpo;strategy=full;dpo.precompute_ref_log_probs=true";
    row("dpo, full, a moving reference")
        << "objective=dpo;strategy=full;dpo.sync_ref_model=true;dpo.ref_model_sync_steps=1";
    const QString taught = "objective=gkd;gkd.lmbda=0";
    row("gkd") << taught;
    row("gkd, a larger teacher") << taught + ";teacher=320";
    row("gkd, a far larger teacher, projector") << taught + ";teacher=640;strategy=freeze";
    row("gkd, a larger teacher, recomputed")
        << taught + ";teacher=480;training.gradient_checkpointing=true";
    row("gkd, full") << taught + ";strategy=full;teacher=96";
    row("gkd, full, accumulated, bfloat16") << taught +
                                                   ";strategy=full;training.dtype=bfloat16;"
                                                   "training.gradient_accumulation_steps=2;rows=16";
    row("gkd, head adapted") << taught + ";adapter.target_modules=q_proj,lm_head";
    row("gkd, a larger teacher asked beforehand") << taught + ";teacher=320;gkd.teacher_top_k=16";
    row("gkd, own answers") << "objective=gkd;gkd.lmbda=1;gkd.max_new_tokens=30";
    row("prefix") << "strategy=prefix_tuning;training.gradient_checkpointing=false";
    row("prefix, long") << "strategy=prefix_tuning;adapter.num_virtual_tokens=150;"
                           "training.gradient_checkpointing=false";
    row("prefix, projected")
        << "strategy=prefix_tuning;adapter.prefix_projection=true;adapter.num_virtual_tokens=60;"
           "training.gradient_checkpointing=false";
  }
  void meets_the_measured_peak() {
    QFETCH(QString, settings);
    TinyModel size;
    size.hidden = 192, size.wide = 512, size.layers = 4, size.vision_hidden = 96,
    size.vision_wide = 256;
    TinyRun tiny(size, 1);
    std::string text;  // rows of one length, so that the longest batch is every batch
    const std::string answer = std::string(
                                   "It is one of many words that make a row long enough to matter "
                                   "here, said again and again. ") +
                               std::string("and again ", 10);
    int rows = 8;
    TinyModel teacher = size;
    for (const QString& each : settings.split(';')) {
      if (each.startsWith("rows=")) rows = each.mid(5).toInt();
      if (each.startsWith("teacher=")) teacher.hidden = each.mid(8).toInt();
    }
    for (int i = 0; i < rows; ++i) {
      std::string whole = answer + answer + answer + answer;
      if (settings.contains("ragged=near"))
        whole.resize(whole.size() - static_cast<std::size_t>(i) * 9);
      if (settings.contains("ragged=far") && i > 0) whole.resize(whole.size() / 3);
      text += as_asked(row(i, whole, fixture() / "a.png"), settings).dump() + "\n";
    }
    write_text(tiny.root() / "rows.jsonl", text);
    std::vector<std::string> all{"training.max_steps=3", "training.per_device_train_batch_size=8",
                                 "training.gradient_accumulation_steps=1", "training.save_steps=0"};
    for (const QString& each : settings.split(';')) {
      if (!each.startsWith("ragged") && !each.startsWith("rows=") && !each.startsWith("teacher="))
        all.push_back(each.toStdString());
    }
    if (settings.contains("objective=gkd")) {
      write_model(tiny.root() / "teacher", teacher, 3);
      all.push_back("gkd.teacher_model_name_or_path=" + (tiny.root() / "teacher").string());
    }
    meets(tiny.recipe("run", all));
  }

  void meets_the_peak_of_a_task() {
    QTemporaryDir
        folder;  // the projector alone, by the defaults: no row comes again, so nothing is kept
    const auto task = teaching_task("json");
    const auto base = teaching_base();
    QVERIFY(task.ok() && base.ok());
    const auto recipe = parse_recipe("", "test",
                                     {"model=" + base->string(), "dataset=" + task->train.string(),
                                      "output_dir=" + folder.path().toStdString() + "/run",
                                      "strategy=freeze", "training.device=cpu"});
    QVERIFY(recipe.ok());
    meets(*recipe);
  }

  void counts_what_trains() {
    TinyRun tiny;
    const auto summary = summarize_model(tiny.root() / "model");
    QVERIFY(summary.ok());
    const auto full = trained_modules(*summary, tiny.recipe("run", {"strategy=full"}));
    QCOMPARE(full->parameters, summary->parameters);
    const auto lora =
        trained_modules(*summary, tiny.recipe("run", {"adapter.target_modules=q_proj",
                                                      "adapter.exclude_modules=.*vision_tower.*"}));
    QCOMPARE(lora->wrapped.size(), std::size_t(2));
    QCOMPARE(lora->parameters, 2 * 4 * (64 + 64));
    QVERIFY(
        !trained_modules(*summary, tiny.recipe("run", {"adapter.target_modules=nothing"})).ok());
  }

  /// What would be left out is the tower of this family, by its own names, and nothing else.
  void advises_to_leave_out_the_tower_data() {
    QTest::addColumn<QString>("family");
    QTest::addColumn<QString>("pattern");
    QTest::newRow("LLaVA") << "llava"
                           << ".*vision_tower.*";
    QTest::newRow("InternVL") << "internvl"
                              << ".*vision_tower.*";
    QTest::newRow("SmolVLM") << "smolvlm"
                             << ".*vision_model.*";
    QTest::newRow("Idefics3") << "idefics3"
                              << ".*vision_model.*";
    QTest::newRow("Qwen2-VL") << "qwen2_vl"
                              << ".*visual\\.(blocks|patch_embed).*";
    QTest::newRow("Qwen3-VL") << "qwen3_vl"
                              << ".*visual\\.(blocks|patch_embed|pos_embed).*";
    QTest::newRow("Gemma 3") << "gemma3"
                             << ".*vision_tower.*";
  }
  void advises_to_leave_out_the_tower() {
    QFETCH(QString, family);
    QFETCH(QString, pattern);
    const auto summary =
        summarize_model(fs::path(LUTHIER_TEST_DATA) / "models/families" / family.toStdString());
    QVERIFY(summary.ok());
    QCOMPARE(QString::fromStdString(pattern_of_part(*summary, "vision_tower")), pattern);
    QVERIFY(pattern_of_part(*summary, "no such part").empty());
    TinyRun tiny;
    const auto parts = [&](const std::vector<std::string>& settings) {
      std::map<std::string, int> counts;
      const auto trained = trained_modules(*summary, tiny.recipe("run", settings));
      if (!trained) return counts;
      for (const std::string& name : trained->wrapped) {
        for (const ModuleSummary& module : summary->modules) {
          if (module.name == name) ++counts[module.part];
        }
      }
      return counts;
    };
    std::map<std::string, int> before = parts({});
    const auto after = parts({"adapter.exclude_modules=" + pattern.toStdString()});
    QVERIFY(before.at("vision_tower") > 0);
    before.erase("vision_tower");
    QCOMPARE(after, before);

    BatchShape huge;
    huge.batch_size = 1, huge.tokens = 1000, huge.labels = 10;
    huge.pictures = {1, 400'000'000, 9'000'000'000, 0, 400'000'000};
    const auto forecast =
        forecast_memory(*summary, tiny.recipe("run", {"adapter.target_modules=all-linear"}), huge);
    QVERIFY(forecast.ok() && !forecast->fits());
    const std::string wanted = "adapter.exclude_modules: '" + pattern.toStdString() + "'";
    const auto found =
        std::find_if(forecast->advice.begin(), forecast->advice.end(),
                     [&](const std::string& advice) { return advice.starts_with(wanted); });
    QVERIFY(found != forecast->advice.end());
  }

  void advises_when_it_will_not_fit() {
    TinyRun tiny;
    const auto summary = summarize_model(tiny.root() / "model");
    BatchShape huge;
    huge.batch_size = 64, huge.tokens = 64'000'000, huge.labels = 1'000'000;
    huge.pictures = {64, 64, 0, 64 * 3 * 64 * 64, 64 * 16};
    const auto forecast =
        forecast_memory(*summary,
                        tiny.recipe("run", {"training.gradient_checkpointing=auto",
                                            "training.per_device_train_batch_size=64"}),
                        huge);
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
