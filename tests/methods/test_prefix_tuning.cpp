// SPDX-License-Identifier: GPL-3.0-or-later
// Prefix tuning: the table and the network that makes it, what of both is written, and what cannot
// be gone on from.
#include "engine/methods/prefix_tuning.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestPrefixTuning : public QObject {
  Q_OBJECT

  MethodBase base_;

  std::shared_ptr<Adapter> make(LoadedModel& loaded, const std::vector<std::string>& settings) {
    const Recipe recipe = base_.recipe("prefix_tuning", settings);
    auto made = create_adapter(loaded, "prefix_tuning", recipe.adapter, 1);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return made.take();
  }

 private slots:
  void the_table() {
    // [tokens, layers · 2 · heads · size]: of each layer the keys, then the values.
    const Tensor rows = torch::arange(2 * 3 * 2 * 2 * 4, torch::kFloat32).view({2, 48});
    PrefixTable table(rows);
    for (std::int64_t layer = 0; layer < 3; ++layer) {
      const KeysAndValues found = table.of(layer, 3, 2, 4);
      QVERIFY(torch::equal(found.keys.reshape({2, 8}), rows.slice(1, layer * 16, layer * 16 + 8)));
      QVERIFY(torch::equal(found.values.reshape({2, 8}),
                           rows.slice(1, layer * 16 + 8, layer * 16 + 16)));
    }
  }

  void starts() {
    LoadedModel loaded = base_.load();
    const auto drawn = make(loaded, {"adapter.num_virtual_tokens=30"})->tensors();
    QCOMPARE(drawn.size(), std::size_t{1});
    QCOMPARE(drawn.front().first, std::string("prompt_embeddings"));
    QCOMPARE(drawn.front().second.sizes().vec(), (std::vector<std::int64_t>{30, 2 * 2 * 32}));
    QVERIFY(std::abs(drawn.front().second.std().item<double>() - 1) < 0.1);
    const auto zero = make(loaded, {"adapter.init_weights=zero"})->tensors();
    QCOMPARE(zero.front().second.abs().max().item<double>(), 0.0);
    const auto made = make(loaded, {"adapter.prefix_projection=true", "adapter.init_weights=zero",
                                    "adapter.encoder_hidden_size=12"});
    QCOMPARE(made->tensors().size(), std::size_t{5});
    QCOMPARE(made->tensors()[1].second.sizes().vec(), (std::vector<std::int64_t>{12}));
  }

  void a_network_in_its_folder() {
    LoadedModel loaded = base_.load();
    const auto adapter =
        make(loaded, {"adapter.prefix_projection=true", "adapter.num_virtual_tokens=4"});
    disturb(*adapter);
    const fs::path folder = base_.made("network");
    QVERIFY(adapter->save(folder, "base"));
    const auto file = SafetensorsFile::open(folder / "adapter_model.safetensors");
    QCOMPARE(file->header().tensors.size(), std::size_t{1});
    QCOMPARE(file->header().tensors.front().first, std::string("prompt_embeddings"));
    const Json config = *read_json_file(folder / "adapter_config.json");
    QCOMPARE(config["encoder_hidden_size"], Json(32));
    QCOMPARE(config["token_dim"], Json(32));
    QCOMPARE(config["num_attention_heads"], Json(2));
    adapter->activate();
    const Tensor wanted = logits_of(*loaded.model);
    adapter->deactivate();
    // With the network it goes on.
    auto again = load_adapter(loaded, folder);
    QVERIFY(again && again.value()->check_trainable());
    // Without it, as PEFT leaves a folder, it answers and is not trained further.
    fs::remove(folder / "prompt_encoder.safetensors");
    auto fixed = load_adapter(loaded, folder);
    QVERIFY(fixed);
    fixed.value()->activate();
    QVERIFY(far(logits_of(*loaded.model), wanted) < 1e-6);
    fixed.value()->deactivate();
    QVERIFY(fixed.value()->tensors().empty());
    const Status refused = fixed.value()->check_trainable();
    QVERIFY(!refused && refused.error().hint.find("prompt_encoder") != std::string::npos);
    const fs::path second = base_.made("network-again");
    QVERIFY(fixed.value()->save(second, "base"));
    QVERIFY(load_adapter(loaded, second));
  }

  void checkpointing_is_refused() {
    QVERIFY(check_recipe(base_.recipe("prefix_tuning")));
    const auto refused =
        check_recipe(base_.recipe("prefix_tuning", {"training.gradient_checkpointing=true"}));
    QVERIFY(!refused && refused.error().where.ends_with("training.gradient_checkpointing"));
    QVERIFY(refused.error().what.find("prefix_tuning") != std::string::npos);
  }

  void null_is_a_start() {
    for (const char* said : {"null", "zero"}) {
      const auto recipe = parse_recipe(
          std::string("strategy: prefix_tuning\nadapter: {init_weights: ") + said + "}\n", "r");
      QVERIFY2(recipe, recipe ? "" : recipe.error().sentence().c_str());
      QCOMPARE(recipe->adapter.more.text("adapter.init_weights"), std::string(said));
      const auto again = parse_recipe(recipe_to_yaml(*recipe), "again");
      QVERIFY2(again, again ? "" : again.error().sentence().c_str());
      QCOMPARE(again->adapter.more.text("adapter.init_weights"), std::string(said));
    }
  }
};

QTEST_GUILESS_MAIN(TestPrefixTuning)
#include "test_prefix_tuning.moc"
