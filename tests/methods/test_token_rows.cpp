// SPDX-License-Identifier: GPL-3.0-or-later
// Single rows of the token embedding: alone and beside LoRA, of a tied head and of one of its own.
#include "engine/methods/merge.h"
#include "engine/methods/token_rows.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

const char* const kEmbedding = "model.language_model.embed_tokens.weight";

/// By a weight that has the rows in it.
Tensor logits_with(LoadedModel& loaded, const Tensor& weight) {
  const torch::NoGradGuard no_grad;
  Tensor own = loaded.model->named_parameters()[kEmbedding];
  const Tensor before = own.clone();
  own.copy_(weight);
  const Tensor logits = logits_of(*loaded.model);
  own.copy_(before);
  return logits;
}

}  // namespace

class TestTokenRows : public QObject {
  Q_OBJECT

  MethodBase base_;

  /// The base with its head tied to the embedding.
  fs::path tied() {
    const fs::path folder = base_.root() / "tied";
    if (fs::exists(folder)) return folder;
    fs::copy(base_.folder(), folder, fs::copy_options::recursive);
    Json config = *read_json_file(folder / "config.json");
    config["text_config"]["tie_word_embeddings"] = config["tie_word_embeddings"] = true;
    write_text(folder / "config.json", config.dump());
    LoadedModel loaded = load(base_.folder());
    const torch::NoGradGuard no_grad;
    const auto parameters = loaded.model->named_parameters();
    loaded.model->output_head()->weight.assign(parameters[kEmbedding]);
    fs::remove(folder / "model.safetensors");
    if (!save_model(loaded, folder, torch::kFloat32)) qFatal("no checkpoint can be written");
    write_text(folder / "config.json", config.dump());
    return folder;
  }
  LoadedModel load(const fs::path& folder) {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    auto loaded = load_model(folder, options);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    return loaded.take();
  }

 private slots:
  void rows_stand_in_both_ends_of_a_tied_head_data() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<bool>("is_tied");
    for (const char* strategy : {"trainable_tokens", "lora"}) {
      QTest::addRow("%s, tied", strategy) << strategy << true;
      QTest::addRow("%s, a head of its own", strategy) << strategy << false;
    }
  }
  void rows_stand_in_both_ends_of_a_tied_head() {
    QFETCH(QString, strategy);
    QFETCH(bool, is_tied);
    const fs::path folder = is_tied ? tied() : base_.folder();
    LoadedModel loaded = load(folder);
    QCOMPARE(loaded.model->geometry().tied_embeddings, is_tied);
    const Recipe recipe = base_.recipe(
        strategy.toStdString(),
        strategy == "lora" ? std::vector<std::string>{"adapter.trainable_token_indices=[5, 11, 20]",
                                                      "adapter.target_modules=[q_proj]"}
                           : std::vector<std::string>{});
    auto made = create_adapter(loaded, recipe.strategy, recipe.adapter, 1);
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    Tensor rows;
    for (const auto& [key, tensor] : made.value()->tensors())
      if (key.ends_with("trainable_tokens_delta")) rows = tensor;
    const Tensor weight = loaded.model->named_parameters()[kEmbedding].detach().clone();
    const Tensor ids = torch::tensor({5, 11, 20}, torch::kInt64);
    QVERIFY(torch::equal(rows, weight.index_select(0, ids)));
    {
      const torch::NoGradGuard no_grad;
      rows.add_(torch::randn_like(rows));
    }
    const Tensor wanted = logits_with(loaded, weight.index_copy(0, ids, rows));
    made.value()->activate();
    const Tensor got = logits_of(*loaded.model);
    QVERIFY(far(got, wanted) < 1e-6);
    made.value()->deactivate();
    QVERIFY(torch::equal(loaded.model->named_parameters()[kEmbedding], weight));
    // A merge leaves the head tied, since both ends have changed alike.
    const fs::path out = base_.root() / ("merged-" + strategy.toStdString() + (is_tied ? "t" : ""));
    const fs::path adapter = base_.made("rows-" + strategy.toStdString() + (is_tied ? "t" : ""));
    QVERIFY(made.value()->save(adapter, "base"));
    const auto report = merge_adapter(folder, adapter, out);
    QVERIFY2(report, report ? "" : report.error().sentence().c_str());
    QVERIFY(!report->untied);
    LoadedModel merged = load(out);
    QVERIFY(far(logits_of(*merged.model), wanted) < 1e-6);
  }

  void settings_that_cannot_be() {
    LoadedModel loaded = base_.load();
    const auto sentence = [&](const std::string& strategy, const std::string& setting,
                              const std::string& other = "adapter.r=4") {
      std::vector<std::string> settings{setting};
      if (strategy == "lora") settings.push_back(other);
      const Recipe recipe = base_.recipe(strategy, settings);
      const auto made = create_adapter(loaded, strategy, recipe.adapter, 1);
      return made ? std::string() : made.error().what;
    };
    QVERIFY(sentence("trainable_tokens", "adapter.token_indices=[5, 999999]").find("999999") !=
            std::string::npos);
    QVERIFY(sentence("trainable_tokens", "adapter.token_indices=[5, 5]").find("twice") !=
            std::string::npos);
    QVERIFY(sentence("trainable_tokens", "adapter.token_indices=[1.5]").find("1.5") !=
            std::string::npos);
    QVERIFY(sentence("lora", "adapter.trainable_token_indices=[5, -1]").find("-1") !=
            std::string::npos);
    QVERIFY(sentence("lora", "adapter.trainable_token_indices=[5]",
                     "adapter.target_modules=[embed_tokens, q_proj]")
                .find("embed_tokens") != std::string::npos);
    QVERIFY(!check_recipe(base_.recipe("trainable_tokens", {"adapter.token_indices=null"})));
  }

  /// A map of PEFT's is read where it is of the token embedding alone.
  void as_a_map() {
    LoadedModel loaded = base_.load();
    const Recipe recipe = base_.recipe(
        "lora", {"adapter.trainable_token_indices=[5, 11]", "adapter.target_modules=[q_proj]"});
    const auto made = create_adapter(loaded, "lora", recipe.adapter, 1);
    const fs::path folder = base_.made("map");
    QVERIFY(made.value()->save(folder, "base"));
    Json config = *read_json_file(folder / "adapter_config.json");
    QCOMPARE(config["trainable_token_indices"], Json({5, 11}));
    config["trainable_token_indices"] = {{"embed_tokens", {5, 11}}};
    write_text(folder / "adapter_config.json", config.dump());
    QVERIFY(load_adapter(loaded, folder));
    for (const Json& other : {Json{{"lm_head", {5, 11}}}, Json{{"embed_tokens", 5}},
                              Json{{"embed_tokens", {5}}, {"lm_head", {11}}}}) {
      config["trainable_token_indices"] = other;
      write_text(folder / "adapter_config.json", config.dump());
      const auto elsewhere = load_adapter(loaded, folder);
      QVERIFY(!elsewhere &&
              elsewhere.error().where.find("trainable_token_indices") != std::string::npos);
    }
    // A recipe may say so, too.
    for (const char* map :
         {"{embed_tokens: [5, 11]}", "{model.language_model.embed_tokens: [5, 11]}"})
      QCOMPARE(base_.recipe("lora", {std::string("adapter.trainable_token_indices=") + map})
                   .adapter.more.names("adapter.trainable_token_indices"),
               (std::vector<std::string>{"5", "11"}));
    config["trainable_token_indices"] = {5, 11, 12};
    write_text(folder / "adapter_config.json", config.dump());
    const auto refused = load_adapter(loaded, folder);
    QVERIFY(!refused && refused.error().what.find("[3, 64]") != std::string::npos);
  }
};

QTEST_GUILESS_MAIN(TestTokenRows)
#include "test_token_rows.moc"
