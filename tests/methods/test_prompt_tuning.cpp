// SPDX-License-Identifier: GPL-3.0-or-later
// Prompt tuning: how the prompt starts, and what its folder says.
#include "engine/methods/prompt_tuning.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestPromptTuning : public QObject {
  Q_OBJECT

  MethodBase base_;

  Tensor start(LoadedModel& loaded, const std::vector<std::string>& settings, int seed = 1) {
    const Recipe recipe = base_.recipe("prompt_tuning", settings);
    auto made =
        create_adapter(loaded, "prompt_tuning", recipe.adapter, static_cast<std::uint64_t>(seed));
    if (!made) qFatal("%s", made.error().sentence().c_str());
    const auto tensors = made.value()->tensors();
    if (tensors.size() != 1 || tensors.front().first != "prompt_embeddings")
      qFatal("another tensor trains");
    return tensors.front().second;
  }

 private slots:
  void drawn() {
    LoadedModel loaded = base_.load();
    const Tensor first = start(loaded, {"adapter.num_virtual_tokens=200"});
    QCOMPARE(first.sizes().vec(), (std::vector<std::int64_t>{200, 64}));
    QVERIFY(std::abs(first.std().item<double>() - 1) < 0.05);
    QVERIFY(!torch::equal(start(loaded, {"adapter.num_virtual_tokens=200"}, 2), first));
  }

  void of_a_text() {
    LoadedModel loaded = base_.load();
    const auto ids = loaded.processor->tokenizer().encode("What is it?", true);
    QVERIFY(ids && ids->ids.size() > 2);
    const auto wanted = [&](std::size_t place) {
      const auto id = static_cast<std::int64_t>(ids->ids[place % ids->ids.size()]);
      const torch::NoGradGuard no_grad;
      return loaded.model
          ->embed(collate({[&] {
            Example one;
            one.input_ids = {static_cast<TokenId>(id)};
            one.labels = {kIgnoreLabel};
            return one;
          }()}))
          .embeddings[0];
    };
    const std::vector<std::string> text{"adapter.prompt_tuning_init=TEXT",
                                        "adapter.prompt_tuning_init_text=What is it?"};
    for (const std::size_t count : {std::size_t{2}, 2 * ids->ids.size() + 1}) {
      std::vector<std::string> settings = text;
      settings.push_back("adapter.num_virtual_tokens=" + std::to_string(count));
      const Tensor prompt = start(loaded, settings);
      QCOMPARE(prompt.size(0), static_cast<std::int64_t>(count));
      for (std::size_t i = 0; i < count; ++i)
        QVERIFY(torch::equal(prompt[static_cast<std::int64_t>(i)], wanted(i)));
    }
  }

  void of_the_vocabulary() {
    LoadedModel loaded = base_.load();
    const Tensor prompt = start(
        loaded, {"adapter.prompt_tuning_init=SAMPLE_VOCAB", "adapter.num_virtual_tokens=300"});
    const Tensor table =
        loaded.model->named_parameters()["model.language_model.embed_tokens.weight"];
    const Tensor picture = table[loaded.processor->image_token_id()];
    for (std::int64_t i = 0; i < prompt.size(0); ++i) {
      QVERIFY((table == prompt[i]).all(1).any().item<bool>());
      QVERIFY(!torch::equal(prompt[i], picture));
    }
  }

  void settings() {
    const auto refused = [&](const std::vector<std::string>& settings) {
      return check_recipe(base_.recipe("prompt_tuning", settings));
    };
    QVERIFY(refused({}));
    QVERIFY(!refused({"adapter.prompt_tuning_init=TEXT"}));
    QVERIFY(!refused({"adapter.prompt_tuning_init_text=words"}));
    QVERIFY(refused({"adapter.prompt_tuning_init=TEXT", "adapter.prompt_tuning_init_text=words"}));
    const auto other = parse_recipe("strategy: prompt_tuning\nadapter: {r: 4}\n", "r");
    QVERIFY(!other && other.error().sentence().find("adapter.r") != std::string::npos);
  }

  void a_folder_of_another_base() {
    LoadedModel loaded = base_.load();
    const Recipe recipe = base_.recipe("prompt_tuning", {"adapter.num_virtual_tokens=3"});
    const auto made = create_adapter(loaded, "prompt_tuning", recipe.adapter, 1);
    const fs::path folder = base_.made("prompt");
    QVERIFY(made.value()->save(folder, "base"));
    Json config = *read_json_file(folder / "adapter_config.json");
    QCOMPARE(config["task_type"], Json("CAUSAL_LM"));
    QCOMPARE(config["token_dim"], Json(64));
    QCOMPARE(config["num_layers"], Json(2));
    QVERIFY(load_adapter(loaded, folder));
    config["num_virtual_tokens"] = 4;
    write_text(folder / "adapter_config.json", config.dump());
    const auto refused = load_adapter(loaded, folder);
    QVERIFY(!refused && refused.error().what.find("[4, 64]") != std::string::npos);
  }
};

QTEST_GUILESS_MAIN(TestPromptTuning)
#include "test_prompt_tuning.moc"
