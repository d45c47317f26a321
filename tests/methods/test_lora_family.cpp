// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA's other settings: what each of them is held to that tests/methods/test_methods holds plain
// LoRA to, and what is refused. Their formulas: test_dora and test_lora_starts.
#include <cmath>

#include "engine/forecast/forecast.h"
#include "engine/methods/merge.h"
#include "engine/train/strategy.h"
#include "tests/methods/lora_base.h"
#include "tests/methods/slopes.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestLoraFamily : public QObject {
  Q_OBJECT

  MethodBase base_;

  void settings(bool other_starts) {
    QTest::addColumn<QStringList>("set");
    const auto row = [](const char* name, const QStringList& set) {
      QTest::newRow(name)
          << (QStringList{"adapter.r=4", "adapter.target_modules=[q_proj, down_proj]"} << set);
    };
    row("dora", {"adapter.use_dora=true"});
    row("dora with dropout", {"adapter.use_dora=true", "adapter.lora_dropout=0.2"});
    row("dora on the embedding",
        {"adapter.use_dora=true", "adapter.target_modules=[embed_tokens, v_proj]"});
    row("a convolution", {"adapter.target_modules=[patch_embedding, v_proj]"});
    row("dora on a convolution",
        {"adapter.use_dora=true", "adapter.target_modules=[patch_embedding, v_proj]"});
    row("pissa", {"adapter.init_lora_weights=pissa"});
    row("nearly pissa", {"adapter.init_lora_weights=pissa_niter_3"});
    row("olora", {"adapter.init_lora_weights=olora"});
    row("dora of pissa", {"adapter.use_dora=true", "adapter.init_lora_weights=pissa"});
    row("orthogonal", {"adapter.init_lora_weights=orthogonal"});
    row("mica",
        {"adapter.init_lora_weights=mica", "adapter.target_modules=[q_proj, embed_tokens]"});
    row("layers", {"adapter.layers_to_transform=[0]"});
    row("all biases", {"adapter.bias=all"});
    row("own biases", {"adapter.bias=lora_only"});
    row("bias of B", {"adapter.lora_bias=true"});
    if (!other_starts) return;
    row("loftq", {"adapter.init_lora_weights=loftq"});
    row("loftq of eight bits",
        {"adapter.init_lora_weights=loftq", "adapter.loftq_bits=8", "adapter.lora_dropout=0.1"});
    row("dora of loftq", {"adapter.use_dora=true", "adapter.init_lora_weights=loftq",
                          "adapter.loftq_iter=2", "adapter.lora_dropout=0.1"});
  }

 private slots:
  void the_start_is_the_base_data() { settings(false); }
  void the_start_is_the_base() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const Tensor plain = logits_of(*loaded.model);
    const auto adapter = fresh_lora(loaded, lora_recipe(base_, set));
    adapter->activate();
    QVERIFY(far(logits_of(*loaded.model), plain) < 1e-4);
  }

  void switching_and_files_data() { settings(true); }
  void switching_and_files() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const Tensor plain = logits_of(*loaded.model);
    const auto adapter = fresh_lora(loaded, lora_recipe(base_, set));
    disturb(*adapter);
    adapter->activate();
    const Tensor with = logits_of(*loaded.model);
    QVERIFY2(far(with, plain) > 1e-3, "the case is blind");
    adapter->set_strength(0);
    const bool biases = set.join("").contains("adapter.bias");
    if (!biases) QVERIFY(torch::equal(logits_of(*loaded.model), plain));
    adapter->set_strength(1);
    QVERIFY(torch::equal(logits_of(*loaded.model), with));
    adapter->deactivate();
    QVERIFY(torch::equal(logits_of(*loaded.model), plain));
    QVERIFY(same_bytes(*loaded.model, before));

    const fs::path folder = base_.made(std::string("folder-") + QTest::currentDataTag());
    QVERIFY(adapter->save(folder, "base"));
    const auto again = load_adapter(loaded, folder);
    QVERIFY2(again, again ? "" : again.error().sentence().c_str());
    const auto left = adapter->tensors(), right = (*again)->tensors();
    QCOMPARE(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      QCOMPARE(right[i].first, left[i].first);
      QVERIFY2(torch::equal(right[i].second, left[i].second), left[i].first.c_str());
    }
    (*again)->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), with));
    (*again)->deactivate();
    const fs::path second = base_.made(std::string("second-") + QTest::currentDataTag());
    QVERIFY((*again)->save(second, "base"));
    QCOMPARE(*read_json_file(second / Adapter::kConfigFile),
             *read_json_file(folder / Adapter::kConfigFile));
  }

  void counted_before_it_is_made_data() { settings(true); }
  void counted_before_it_is_made() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const Recipe asked = lora_recipe(base_, set);
    const auto summary = summarize_model(base_.folder());
    const auto planned = trained_modules(*summary, asked);
    QVERIFY2(planned, planned ? "" : planned.error().sentence().c_str());
    const auto made = apply_strategy(loaded, asked);
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    QCOMPARE(planned->parameters, made->parameters());
    const fs::path folder = base_.made(std::string("counted-") + QTest::currentDataTag());
    QVERIFY(made->adapter->save(folder, "base"));
    const auto from =
        trained_modules(*summary, base_.recipe("lora", {"adapter.init_from=" + folder.string()}));
    QVERIFY2(from, from ? "" : from.error().sentence().c_str());
    QCOMPARE(from->parameters, made->parameters());
  }

  void merges_data() { settings(true); }
  void merges() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const auto adapter = fresh_lora(loaded, lora_recipe(base_, set));
    disturb(*adapter);
    const fs::path folder = base_.made(std::string("merge-") + QTest::currentDataTag());
    QVERIFY(adapter->save(folder, "base"));
    const fs::path out = base_.root() / (std::string("merged-") + QTest::currentDataTag());
    const auto report = merge_adapter(base_.folder(), folder, out);
    if (set.contains("adapter.lora_bias=true")) {  // llama's linears have none to add it to
      QVERIFY(!report && !fs::exists(out));
      QVERIFY2(report.error().what.find("lora_bias") != std::string::npos,
               report.error().sentence().c_str());
      return;
    }
    QVERIFY2(report, report ? "" : report.error().sentence().c_str());
    QVERIFY2(report->relative_error() <= 1e-5, report->sentence().c_str());
  }

  void gradients_are_slopes_data() { settings(true); }
  /// But DoRA's norm has no gradient, so that of its pair is no slope (doras_gradients).
  void gradients_are_slopes() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const bool dora = set.contains("adapter.use_dora=true");
    const auto adapter = fresh_lora(loaded, lora_recipe(base_, set));
    disturb(*adapter);
    adapter->activate();
    adapter->set_training(true, 5);
    int looked = 0;
    const QString wrong =
        wrong_slope(*adapter, value_of(loaded), looked, [&](const std::string& key) {
          return dora && key.find("lora_magnitude_vector") == std::string::npos;
        });
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
    QVERIFY(looked > 0);
  }

  void refused_data() {
    QTest::addColumn<QStringList>("set");
    QTest::addColumn<QString>("where");
    const auto row = [](const char* name, const QStringList& set, const char* where) {
      QTest::newRow(name) << (QStringList{"adapter.target_modules=[q_proj]"} << set) << where;
    };
    row("odd rank", {"adapter.init_lora_weights=orthogonal", "adapter.r=3"}, "adapter.r");
    row("rank too high", {"adapter.init_lora_weights=olora", "adapter.r=4000"}, "adapter.r");
    row("no such layer", {"adapter.layers_to_transform=[40]"}, "adapter.layers_to_transform");
    row("no such list", {"adapter.layers_to_transform=[0]", "adapter.layers_pattern=[blocks]"},
        "adapter.layers_pattern");
    row("bias on an embedding", {"adapter.target_modules=[embed_tokens]", "adapter.lora_bias=true"},
        "adapter.lora_bias");
  }
  void refused() {
    QFETCH(QStringList, set);
    QFETCH(QString, where);
    LoadedModel loaded = base_.load();
    const auto made = create_adapter(loaded, "lora", lora_recipe(base_, set).adapter, 1);
    QVERIFY(!made);
    QCOMPARE(QString::fromStdString(made.error().where), where);
  }

  void a_file_with_more_than_its_settings_say() {
    LoadedModel loaded = base_.load();
    const auto adapter = fresh_lora(loaded, lora_recipe(base_, {"adapter.use_dora=true"}));
    const fs::path folder = base_.made("more");
    QVERIFY(adapter->save(folder, "base"));
    Json config = *read_json_file(folder / Adapter::kConfigFile);
    config["use_dora"] = false;
    QVERIFY(write_file_atomically(folder / Adapter::kConfigFile, config.dump()));
    const auto refused = load_adapter(loaded, folder);
    QVERIFY(!refused);
    QVERIFY2(refused.error().what.find("lora_magnitude_vector") != std::string::npos,
             refused.error().sentence().c_str());
  }

  void plus_has_three_rates() {
    LoadedModel loaded = base_.load();
    const auto made = apply_strategy(
        loaded,
        lora_recipe(base_,
                    {"adapter.target_modules=[embed_tokens, q_proj]", "adapter.use_dora=true",
                     "adapter.bias=all", "training.loraplus_lr_ratio=8",
                     "training.loraplus_lr_embedding=1e-5", "training.learning_rate=1e-3"}));
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    for (const TrainedTensor& each : made->tensors) {
      const bool embedding = each.name.find("lora_embedding_") != std::string::npos;
      const bool of_a = each.name.find("lora_A") != std::string::npos;
      const bool bias = each.name.ends_with(".bias");
      QVERIFY2(std::abs(each.rate - (embedding ? 1e-2 : of_a ? 1 : 8)) < 1e-9, each.name.c_str());
      QCOMPARE(each.decay, !bias);
    }
  }
};

QTEST_GUILESS_MAIN(TestLoraFamily)
#include "test_lora_family.moc"
