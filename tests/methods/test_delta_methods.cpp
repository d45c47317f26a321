// SPDX-License-Identifier: GPL-3.0-or-later
// LoHa, LoKr, FourierFT, OFT, BOFT, HRA and VeRA beyond what test_methods holds all methods to:
// sizes by hand, what dropout draws, strengths between 0 and 1, tensors in common, refusals.
#include "engine/io/files.h"
#include "engine/methods/merge.h"
#include "engine/nn/batch_part.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestDeltaMethods : public QObject {
  Q_OBJECT

  MethodBase base_;

  std::shared_ptr<Adapter> fresh(LoadedModel& loaded, const std::string& strategy,
                                 const std::vector<std::string>& settings) {
    const Recipe recipe = base_.recipe(strategy, settings);
    auto made = create_adapter(loaded, strategy, recipe.adapter, 3);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return made.take();
  }
  Error refused(const std::string& strategy, const std::vector<std::string>& settings) {
    LoadedModel loaded = base_.load();
    const auto recipe = base_.try_recipe(strategy, settings);
    if (!recipe) return recipe.error();
    if (const Status checked = check_recipe(*recipe); !checked) return checked.error();
    const auto made = create_adapter(loaded, strategy, recipe->adapter, 3);
    return made ? Error() : made.error();
  }
  /// What stands behind a module's name → its shape.
  static std::map<std::string, std::vector<std::int64_t>> shapes(const Adapter& adapter,
                                                                 const std::string& module) {
    std::map<std::string, std::vector<std::int64_t>> found;
    for (const auto& [key, tensor] : adapter.tensors()) {
      const auto at = key.find(module + ".");
      if (at != std::string::npos && key.find("language_model.layers.0") != std::string::npos)
        found[key.substr(at + module.size() + 1)] = tensor.sizes().vec();
    }
    return found;
  }

 private slots:
  /// up_proj is [128, 64]: 128 = 8 · 16, 64 = 8 · 8; with a factor of 4: 4 · 32, 4 · 16.
  void lokr_factors() {
    using Shapes = std::map<std::string, std::vector<std::int64_t>>;
    LoadedModel loaded = base_.load();
    const auto of = [&](std::vector<std::string> settings) {
      settings.push_back("adapter.target_modules=[up_proj]");
      return shapes(*fresh(loaded, "lokr", settings), "up_proj");
    };
    QCOMPARE(of({"adapter.r=2"}),
             (Shapes{{"lokr_w1", {8, 8}}, {"lokr_w2_a", {16, 2}}, {"lokr_w2_b", {2, 8}}}));
    QCOMPARE(of({"adapter.r=8"}), (Shapes{{"lokr_w1", {8, 8}}, {"lokr_w2", {16, 8}}}));
    QCOMPARE(of({"adapter.r=3", "adapter.decompose_factor=4"}),
             (Shapes{{"lokr_w1", {4, 4}}, {"lokr_w2_a", {32, 3}}, {"lokr_w2_b", {3, 16}}}));
    QCOMPARE(of({"adapter.r=3", "adapter.decompose_both=true"}), (Shapes{{"lokr_w1_a", {8, 3}},
                                                                         {"lokr_w1_b", {3, 8}},
                                                                         {"lokr_w2_a", {16, 3}},
                                                                         {"lokr_w2_b", {3, 8}}}));
    QVERIFY(refused("lokr", {"adapter.decompose_factor=0"}).where.ends_with("decompose_factor"));
    QVERIFY(refused("loha", {"adapter.init_weights=lycoris"}).where.ends_with("init_weights"));
    QVERIFY(refused("loha", {"adapter.r=0"}).where.ends_with("adapter.r"));
  }

  /// What AdaLoRA's config has of LoRA's, PEFT heeds and we do not compute.
  void adalora_as_more_than_pairs() {
    const auto method = find_method("adalora");
    const Json plain = {{"peft_type", "ADALORA"}, {"init_r", 4}, {"target_modules", {"q_proj"}}};
    QVERIFY(read_settings(**method, plain, "config"));
    const std::map<std::string, Json> more{{"layer_replication", Json::parse("[[0, 2]]")},
                                           {"target_parameters", Json::parse("[\"q.weight\"]")},
                                           {"trainable_token_indices", Json::parse("[5]")}};
    for (const auto& [key, value] : more) {
      Json config = plain;
      config[key] = value;
      const auto refused = read_settings(**method, config, "config");
      QVERIFY2(!refused, key.c_str());
      QCOMPARE(refused.error().where, "config: " + key);
    }
  }

  /// Blocks as near to what was asked for as divides the input, 64 numbers here.
  void oft_blocks() {
    LoadedModel loaded = base_.load();
    const auto of = [&](std::vector<std::string> settings) {
      settings.push_back("adapter.target_modules=[up_proj]");
      return shapes(*fresh(loaded, "oft", settings), "up_proj").at("oft_R.weight");
    };
    using Shape = std::vector<std::int64_t>;
    QCOMPARE(of({}), (Shape{2, 32 * 31 / 2}));
    // 4 and 8 are as near: PEFT takes the smaller.
    QCOMPARE(of({"adapter.oft_block_size=6"}), (Shape{16, 4 * 3 / 2}));
    QCOMPARE(of({"adapter.oft_block_size=5"}), (Shape{16, 4 * 3 / 2}));
    QCOMPARE(of({"adapter.oft_block_size=100"}), (Shape{1, 64 * 63 / 2}));
    QCOMPARE(of({"adapter.oft_block_size=0", "adapter.r=4"}), (Shape{4, 16 * 15 / 2}));
    QCOMPARE(of({"adapter.block_share=true"}), (Shape{1, 32 * 31 / 2}));
    QVERIFY(refused("oft", {"adapter.r=4"}).where.ends_with("oft_block_size"));
    QVERIFY(refused("oft", {"adapter.oft_block_size=0"}).where.ends_with("oft_block_size"));
  }

  void what_does_not_divide_or_fit_is_named() {
    const Error blocks = refused("boft", {"adapter.boft_block_size=7"});
    QVERIFY2(blocks.what.find("does not divide") != std::string::npos, blocks.what.c_str());
    QVERIFY(!refused("boft", {"adapter.boft_block_num=4"}).what.empty());
    const Error many =
        refused("fourierft", {"adapter.n_frequency=5000", "adapter.target_modules=[q_proj]"});
    QVERIFY2(many.what.find("q_proj") != std::string::npos, many.what.c_str());
    const Error pattern = refused("fourierft", {"adapter.n_frequency_pattern={nobody: 3}"});
    QCOMPARE(pattern.where, std::string("adapter.n_frequency_pattern"));
    QCOMPARE(refused("adalora", {"adapter.target_r=12"}).where,
             std::string("recipe: adapter.target_r"));
  }

  /// layers_to_transform and METHOD_only: what trains, what the folder says, what comes of a
  /// folder.
  void layers_and_biases_data() {
    QTest::addColumn<QString>("own");  // what PEFT calls the wrapped modules' biases; empty: none
    const std::vector<std::pair<const char*, const char*>> all{{"adalora", "lora_only"},
                                                               {"loha", ""},
                                                               {"lokr", ""},
                                                               {"vera", "vera_only"},
                                                               {"oft", "oft_only"},
                                                               {"boft", "boft_only"},
                                                               {"hra", "hra_only"},
                                                               {"fourierft", "fourier_only"},
                                                               {"bitfit", ""}};
    for (const auto& [strategy, own] : all) QTest::newRow(strategy) << own;
  }
  void layers_and_biases() {
    QFETCH(QString, own);
    const std::string strategy = QTest::currentDataTag(), word = own.toStdString();
    std::vector<std::string> settings{"adapter.target_modules=[q_proj, v_proj]",
                                      "adapter.layers_to_transform=[1]",
                                      "adapter.layers_pattern=[layers]"};
    if (!word.empty()) settings.push_back("adapter.bias=" + word);
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const Tensor plain = logits_of(*loaded.model);
    const auto adapter = fresh(loaded, strategy, settings);
    std::size_t biases = 0;
    for (const auto& [key, tensor] : adapter->tensors()) {
      QVERIFY2(key.find("layers.1.") != std::string::npos, key.c_str());
      biases += key.ends_with(".base_layer.bias") ? 1 : 0;
    }
    QCOMPARE(biases > 0, !word.empty());
    disturb(*adapter);
    adapter->activate();
    const Tensor with = logits_of(*loaded.model);
    QVERIFY(far(with, plain) > 1e-4);
    adapter->deactivate();
    QVERIFY(torch::equal(logits_of(*loaded.model), plain) && same_bytes(*loaded.model, before));

    const fs::path folder = base_.made("layers-" + strategy);
    QVERIFY(adapter->save(folder, "base"));
    Json config = *read_json_file(folder / Adapter::kConfigFile);
    QCOMPARE(config["layers_to_transform"], Json::array({1}));
    QCOMPARE(config["layers_pattern"], Json::array({"layers"}));
    if (!word.empty()) QCOMPARE(config["bias"], Json(word));
    const auto again = load_adapter(loaded, folder);
    QVERIFY2(again, again ? "" : again.error().sentence().c_str());
    again.value()->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), with));
    again.value()->deactivate();
    const fs::path second = base_.made("layers-again-" + strategy);
    QVERIFY(again.value()->save(second, "base"));
    QCOMPARE(*read_json_file(second / Adapter::kConfigFile), config);

    const fs::path out = base_.root() / ("layers-merged-" + strategy);
    const auto report = merge_adapter(base_.folder(), folder, out);
    QVERIFY2(report, report ? "" : report.error().sentence().c_str());

    QCOMPARE(
        refused(strategy, {"adapter.target_modules=[q_proj]", "adapter.layers_to_transform=[40]"})
            .where,
        std::string("adapter.layers_to_transform"));
    QVERIFY(refused(strategy, {"adapter.layers_to_transform=[1]"})
                .where.ends_with("layers_to_transform"));
    if (!word.empty())
      QVERIFY(refused(strategy, {"adapter.bias=some_only"}).where.ends_with("adapter.bias"));
    if (word.empty() && strategy != "bitfit") {  // PEFT would train them; the config is no such one
      config["bias"] = "all";
      QVERIFY(write_file_atomically(folder / Adapter::kConfigFile, config.dump()));
      QVERIFY(!load_adapter(loaded, folder));
    }
  }

  /// HRA of an even rank, OFT, BOFT and all that adds something start as the base.
  void starts_as_the_base() {
    LoadedModel loaded = base_.load();
    const Tensor plain = logits_of(*loaded.model);
    for (const char* strategy : {"loha", "lokr", "vera", "oft", "boft", "hra", "adalora"}) {
      const auto adapter = fresh(loaded, strategy, {});
      adapter->activate();
      QVERIFY2(far(logits_of(*loaded.model), plain) < 1e-5, strategy);
      adapter->deactivate();
    }
  }

  /// adapter.init_weights of those that have it: what is drawn, what is not, what the folder says.
  void starts_that_are_drawn() {
    LoadedModel loaded = base_.load();
    const Tensor plain = logits_of(*loaded.model);
    for (const char* strategy : {"oft", "boft", "hra", "vera", "fourierft", "trainable_tokens"}) {
      const bool frequencies = std::string(strategy) == "fourierft";
      for (const bool drawn : {true, false}) {
        std::vector<std::string> set{std::string("adapter.init_weights=") +
                                     (drawn ? "false" : "true")};
        if (frequencies) set.push_back("adapter.n_frequency=20");
        if (std::string(strategy) == "trainable_tokens")
          set.push_back("adapter.token_indices=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]");
        else
          set.push_back("adapter.target_modules=[q_proj, v_proj]");
        const auto adapter = fresh(loaded, strategy, set);
        for (const auto& [key, tensor] : adapter->tensors()) {
          const bool ones = drawn && key.ends_with("vera_lambda_b");
          if (ones)
            QVERIFY(at::equal(tensor, torch::ones_like(tensor)));
          else if (drawn)
            QVERIFY2(tensor.std().item<double>() > 0.03, key.c_str());
          else if (frequencies)
            QVERIFY(at::equal(tensor, torch::zeros_like(tensor)));
        }
        adapter->activate();
        const double moved = far(logits_of(*loaded.model), plain);
        adapter->deactivate();
        if (std::string(strategy) != "trainable_tokens")
          QVERIFY2(drawn == (moved > 1e-4), strategy);
        const fs::path folder = base_.made(std::string("drawn-") + strategy + set.front().back());
        QVERIFY(adapter->save(folder, "base"));
        QCOMPARE((*read_json_file(folder / Adapter::kConfigFile))["init_weights"], Json(!drawn));
        const auto again = load_adapter(loaded, folder);
        QVERIFY2(again, again ? "" : again.error().sentence().c_str());
      }
    }
  }

  /// PEFT's FourierFT finds a key behind a dot alone, and a whole name where no such key is found.
  void frequencies_by_names_behind_a_dot() {
    LoadedModel loaded = base_.load();
    const auto counts = [&](const std::string& key) {
      const auto adapter = fresh(loaded, "fourierft",
                                 {"adapter.target_modules=[q_proj]", "adapter.n_frequency=20",
                                  "adapter.n_frequency_pattern={" + key + ": 7, q_proj: 9}"});
      std::set<std::int64_t> found;
      for (const auto& [name, tensor] : adapter->tensors()) found.insert(tensor.numel());
      const fs::path folder = base_.made("frequencies");
      if (!adapter->save(folder, "base")) qFatal("not saved");
      const Json config = *read_json_file(folder / Adapter::kConfigFile);
      if (!config["n_frequency_pattern"].contains("q_proj")) qFatal("%s", config.dump().c_str());
      if (!load_adapter(loaded, folder)) qFatal("not read");
      return found;
    };
    QCOMPARE(counts("layers.0.self_attn.q_proj"), (std::set<std::int64_t>{7, 9}));
    const std::string whole = "model.language_model.layers.0.self_attn.q_proj";
    QCOMPARE(refused("fourierft", {"adapter.target_modules=[q_proj]", "adapter.n_frequency=20",
                                   "adapter.n_frequency_pattern={" + whole + ": 7, q_proj: 9}"})
                 .where,
             std::string("adapter.n_frequency_pattern"));  // the other key comes first
    const auto alone = fresh(loaded, "fourierft",
                             {"adapter.target_modules=[q_proj]", "adapter.n_frequency=20",
                              "adapter.n_frequency_pattern={" + whole + ": 7}"});
    std::set<std::int64_t> found;
    for (const auto& [name, tensor] : alone->tensors()) found.insert(tensor.numel());
    QCOMPARE(found, (std::set<std::int64_t>{7, 20}));
    const Error anchored =
        refused("fourierft", {"adapter.target_modules=[q_proj]", "adapter.n_frequency=20",
                              "adapter.n_frequency_pattern={'^model.*q_proj': 7}"});
    QCOMPARE(anchored.where, std::string("adapter.n_frequency_pattern"));
  }

  /// Half of what an adapter does to a single linear is half of the way.
  void strength_goes_part_of_the_way() {
    LoadedModel loaded = base_.load();
    for (const char* strategy : {"loha", "lokr", "fourierft", "vera", "oft", "hra", "adalora"}) {
      const auto adapter =
          fresh(loaded, strategy, {"adapter.target_modules=.*language_model.*layers.0.*up_proj"});
      disturb(*adapter);
      const Ports ports = list_ports(*loaded.model);
      const auto found =
          std::find_if(ports.linears.begin(), ports.linears.end(),
                       [](const auto& p) { return p.first.ends_with("layers.0.mlp.up_proj"); });
      const torch::NoGradGuard no_grad;
      const Tensor x = torch::linspace(-1, 1, 3 * 64).view({3, 64});
      const Linear& linear = found->second;
      const Tensor plain = linear->forward(x);
      adapter->activate();
      const Tensor whole = linear->forward(x) - plain;
      adapter->set_strength(0.5);
      QVERIFY2(far((linear->forward(x) - plain) * 2, whole) < 1e-4, strategy);
    }
  }

  /// The same seed drops the same, another one other rows; nothing is dropped in an answer.
  void dropout_goes_by_seed_and_place() {
    LoadedModel loaded = base_.load();
    const std::vector<std::pair<std::string, std::string>> kinds{
        {"loha", "adapter.rank_dropout=0.5"}, {"loha", "adapter.module_dropout=0.5"},
        {"lokr", "adapter.rank_dropout=0.5"}, {"vera", "adapter.vera_dropout=0.5"},
        {"boft", "adapter.boft_dropout=0.5"}, {"adalora", "adapter.lora_dropout=0.5"}};
    for (const auto& [strategy, setting] : kinds) {
      const auto adapter = fresh(loaded, strategy, {setting});
      disturb(*adapter);
      adapter->activate();
      const Tensor answer = logits_of(*loaded.model);
      const auto trained = [&](std::uint64_t seed) {
        adapter->set_training(true, seed);
        const Tensor logits = logits_of(*loaded.model);
        adapter->set_training(false, 0);
        return logits;
      };
      const Tensor first = trained(1), other = trained(2);
      QVERIFY2(torch::equal(trained(1), first), setting.c_str());
      QVERIFY2(!torch::equal(other, first) && !torch::equal(first, answer), setting.c_str());
      QVERIFY2(torch::equal(logits_of(*loaded.model), answer), setting.c_str());
      const BatchPart part(1);
      QVERIFY2(!torch::equal(trained(1), first), setting.c_str());
      adapter->deactivate();
    }
  }

  /// Many rows of a step are multiplied with W + ΔW, few past the weight: the same comes of both.
  void vera_joins_the_weight_for_many_rows() {
    LoadedModel loaded = base_.load();
    const auto adapter =
        fresh(loaded, "vera", {"adapter.target_modules=.*language_model.*layers.0.*up_proj"});
    disturb(*adapter);
    adapter->activate();
    adapter->set_training(true, 1);
    const Ports ports = list_ports(*loaded.model);
    const auto found = std::find_if(ports.linears.begin(), ports.linears.end(), [](const auto& p) {
      return p.first.ends_with("layers.0.mlp.up_proj");
    });
    const Linear& linear = found->second;
    const Tensor x = torch::sin(torch::arange(60 * 64)).view({60, 64});
    const Tensor dy = torch::cos(torch::arange(60 * 128)).view({60, 128});
    std::vector<Tensor> vectors;
    for (const auto& [key, tensor] : adapter->tensors())
      vectors.push_back(torch::Tensor(tensor).set_requires_grad(true));
    // The results, x's gradient, then the vectors', of so many rows at a time.
    const auto made = [&](std::int64_t rows) {
      const Tensor in = x.clone().set_requires_grad(true);
      std::vector<Tensor> parts;
      for (const Tensor& part : in.split(rows)) parts.push_back(linear->forward(part));
      const Tensor y = torch::cat(parts);
      y.backward(dy);
      std::vector<Tensor> all{in.grad()};
      for (Tensor& vector : vectors) {
        all.push_back(vector.grad());
        vector.mutable_grad().reset();
      }
      all.push_back(y.detach());
      return all;
    };
    const std::vector<Tensor> joined = made(60), past = made(10);
    QVERIFY(!torch::equal(joined.back(), past.back()));  // they are two ways
    // Where tiles make the joined products and a library the narrow ones, each rounds by itself.
    for (std::size_t i = 0; i < past.size(); ++i)
      QVERIFY2(far(joined[i], past[i]) < 4e-6 * std::max(1.0, past[i].abs().max().item<double>()),
               qPrintable(QString("%1: %2").arg(i).arg(far(joined[i], past[i]))));
  }

  /// VeRA's projections are in the file once, or are drawn again.
  void projections_are_shared() {
    LoadedModel loaded = base_.load();
    for (const char* saved : {"true", "false"}) {
      const auto adapter =
          fresh(loaded, "vera", {"adapter.r=6", std::string("adapter.save_projection=") + saved});
      disturb(*adapter);
      const fs::path folder = base_.made(std::string("vera-") + saved);
      QVERIFY(adapter->save(folder, "base"));
      const auto file = SafetensorsFile::open(folder / Adapter::kTensorFile);
      QVERIFY(file);
      const auto a = file->find("base_model.vera_A"), b = file->find("base_model.vera_B");
      QCOMPARE(a.has_value() && b.has_value(), std::string(saved) == "true");
      if (a) QCOMPARE(a->info.shape, (std::vector<std::int64_t>{6, 128}));
      if (b) QCOMPARE(b->info.shape, (std::vector<std::int64_t>{128, 6}));
      adapter->activate();
      const Tensor wanted = logits_of(*loaded.model);
      adapter->deactivate();
      const auto again = load_adapter(loaded, folder);
      QVERIFY2(again, again ? "" : again.error().sentence().c_str());
      again.value()->activate();
      QVERIFY(torch::equal(logits_of(*loaded.model), wanted));
      again.value()->deactivate();
    }
  }

  /// With coft a step too far is taken back before the next forward, and answers are as if it were.
  void small_rotations_stay_small() {
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, "oft", {"adapter.coft=true", "adapter.eps=0.05"});
    disturb(*adapter);
    adapter->activate();
    const Tensor answer = logits_of(*loaded.model);
    adapter->set_training(true, 1);
    QVERIFY(far(logits_of(*loaded.model), answer) < 1e-5);
    for (const auto& [key, tensor] : adapter->tensors()) {
      const double most = 0.05 / std::sqrt(static_cast<double>(tensor.size(0)));
      QVERIFY(tensor.norm(2, {1}).max().item<double>() * std::sqrt(2.0) < most * 1.0001);
    }
  }
};

QTEST_GUILESS_MAIN(TestDeltaMethods)
#include "test_delta_methods.moc"
