// SPDX-License-Identifier: GPL-3.0-or-later
// Folders that PEFT or we wrote: what loads, what is refused by name, what is said; that a folder
// written again says what its tensors are; and merging, which proves itself, also where the head is
// tied to the embedding.
#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>

#include "engine/base/log.h"
#include "engine/io/safetensors.h"
#include "engine/methods/merge.h"
#include "engine/methods/method.h"
#include "engine/models/stored_head.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr const char* kQuery = "model.language_model.layers.1.self_attn.q_proj";

AdapterSettings settings(const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> all{"model=m", "dataset=d", "output_dir=o", "adapter.r=4",
                               "adapter.lora_alpha=8"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  auto recipe = parse_recipe("", "test", all);
  if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
  return recipe->adapter;
}

/// Changes one value of one of a safetensors file's tensors.
void change_value(const fs::path& file, const std::string& tensor, float value) {
  const auto opened = SafetensorsFile::open(file);
  std::vector<std::vector<std::byte>> kept;
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, info] : opened->header().tensors) {
    const auto view = opened->find(name);
    kept.push_back(view->bytes().take());
    if (name.find(tensor) != std::string::npos)
      std::memcpy(kept.back().data() + 4, &value, sizeof value);
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto& [name, info] = opened->header().tensors[i];
    tensors.push_back({name, info.dtype, info.shape, kept[i]});
  }
  QVERIFY(write_safetensors(fs::path(file) += ".new", tensors));
  fs::rename(fs::path(file) += ".new", file);
}

void change_config(const fs::path& folder, const std::string& key, const Json& value) {
  Json config = *read_json_file(folder / "adapter_config.json");
  if (value.is_discarded())
    config.erase(key);
  else
    config[key] = value;
  write_text(folder / "adapter_config.json", config.dump());
}

torch::Tensor logits_of(Model& model) {
  const torch::NoGradGuard no_grad;
  Example example;
  for (int i = 0; i < 40; ++i) example.input_ids.push_back(5 + i * 3);
  example.labels.assign(example.input_ids.size(), kIgnoreLabel);
  return model.head()->forward(model.decode(model.embed(collate({example})), nullptr));
}

/// A checkpoint with weights, and adapters with both of their halves drawn.
class Base {
 public:
  explicit Base(bool tied, torch::ScalarType stored = torch::kFloat32) {
    make_model(root() / "drawn");
    Json config = *read_json_file(root() / "drawn" / "config.json");
    config["tie_word_embeddings"] = tied;
    config["text_config"]["tie_word_embeddings"] = tied;
    write_text(root() / "drawn" / "config.json", config.dump());
    LoadOptions options;
    options.device = "cpu";
    options.random_weights = true;
    auto loaded = load_model(root() / "drawn", options);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    for (torch::Tensor& tensor : loaded->model->parameters()) {
      const torch::NoGradGuard no_grad;
      if (tensor.dim() > 1) tensor.mul_(4);  // so that every block shows
    }
    if (!save_model(*loaded, folder(), stored)) qFatal("the checkpoint cannot be written");
  }
  fs::path root() const { return directory_.path().toStdString(); }
  fs::path folder() const { return root() / "model"; }
  LoadedModel load() const {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    auto loaded = load_model(folder(), options);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    return loaded.take();
  }
  fs::path adapter(const std::string& name, const std::vector<std::string>& overrides) const {
    LoadedModel loaded = load();
    auto made = create_adapter(loaded, "lora", settings(overrides), 3);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    const torch::NoGradGuard no_grad;
    auto generator = at::make_generator<at::CPUGeneratorImpl>(9);
    for (auto [key, tensor] : made->get()->tensors()) {
      tensor.add_(torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, 0.07, generator));
    }
    fs::create_directories(root() / name);
    if (!made->get()->save(root() / name, "base")) qFatal("the adapter cannot be written");
    return root() / name;
  }

 private:
  QTemporaryDir directory_;
};

}  // namespace

class TestAdapterFolders : public QObject {
  Q_OBJECT

 private slots:
  void values_that_are_not_finite() {
    const Base base(false);
    LoadedModel loaded = base.load();
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      const fs::path folder = base.adapter("broken", {"adapter.modules_to_save=linear_2"});
      for (const std::string& tensor :
           {std::string(kQuery) + ".lora_B", std::string("linear_2.weight")}) {
        change_value(folder / "adapter_model.safetensors", tensor, value);
        const auto adapter = load_adapter(loaded, folder);
        QVERIFY(!adapter);
        const QString sentence = QString::fromStdString(adapter.error().sentence());
        QVERIFY2(sentence.contains("not finite") && sentence.contains("1 of"),
                 qPrintable(sentence));
        QVERIFY2(sentence.contains(QString::fromStdString(tensor)), qPrintable(sentence));
        change_value(folder / "adapter_model.safetensors", tensor, 0.5f);
      }
      QVERIFY(load_adapter(loaded, folder));
    }
    std::string lines;
    set_log_sink([&](LogLevel, const std::string& line) { lines += line; });
    change_value(base.folder() / "model.safetensors", "layers.1.mlp.up_proj",
                 std::numeric_limits<float>::quiet_NaN());
    base.load();
    set_log_sink({});
    QVERIFY2(lines.find("layers.1.mlp.up_proj") != std::string::npos &&
                 lines.find("not finite") != std::string::npos,
             lines.c_str());
  }

  /// PEFT's layers_to_transform: the tensors are those of the layers chosen, and no others.
  void layer_numbers() {
    const Base base(false);
    LoadedModel loaded = base.load();
    const fs::path folder =
        base.adapter("layers", {std::string("adapter.target_modules=[") + kQuery + "]"});
    change_config(folder, "target_modules", {"q_proj"});
    change_config(folder, "layers_to_transform", {1});
    change_config(folder, "layers_pattern", "layers");
    // The tower has a layer of this number too, which the config chooses.
    const auto half = load_adapter(loaded, folder);
    QVERIFY(!half && half.error().where.ends_with("adapter_model.safetensors"));
    QVERIFY2(half.error().what.find("vision_tower.encoder.layers.1.self_attn.q_proj") !=
                 std::string::npos,
             half.error().sentence().c_str());
    change_config(folder, "target_modules", {"language_model.layers.0.self_attn.q_proj", kQuery});
    const auto adapter = load_adapter(loaded, folder);
    QVERIFY2(adapter, adapter ? "" : adapter.error().sentence().c_str());
    QCOMPARE(adapter.value()->tensors().size(), std::size_t{2});
    // A list of layers that this model has not chooses nothing, and PEFT takes it.
    change_config(folder, "layers_pattern", {"layers", "blocks"});
    QVERIFY(load_adapter(loaded, folder));
    fs::create_directories(base.root() / "again");
    QVERIFY(adapter.value()->save(base.root() / "again", "base"));
    const Json config = *read_json_file(base.root() / "again" / "adapter_config.json");
    QCOMPARE(config["layers_to_transform"], Json({1}));
    QCOMPARE(config["target_modules"], Json({"language_model.layers.0.self_attn.q_proj", kQuery}));
  }

  void fields_nobody_knows() {
    const Base base(false);
    LoadedModel loaded = base.load();
    const fs::path folder = base.adapter("unknown", {});
    change_config(folder, "a_later_setting", 3);
    std::string lines;
    set_log_sink([&](LogLevel, const std::string& line) { lines += line; });
    QVERIFY(load_adapter(loaded, folder));
    set_log_sink({});
    QVERIFY2(lines.find("a_later_setting") != std::string::npos, lines.c_str());
    change_config(folder, "init_lora_weights", "corda");
    const auto refused = load_adapter(loaded, folder);
    QVERIFY(!refused && refused.error().where.ends_with("init_lora_weights"));
  }

  void malformed_patterns_of_a_folder() {
    const Base base(false);
    LoadedModel loaded = base.load();
    const fs::path folder = base.adapter("patterns", {});
    change_config(folder, "alpha_pattern", {{"q_proj(", 8}});
    const auto refused = load_adapter(loaded, folder);
    QVERIFY(!refused);
    QVERIFY2(refused.error().where.ends_with("adapter_config.json: alpha_pattern"),
             refused.error().sentence().c_str());
  }

  void merges_data() {
    QTest::addColumn<bool>("tied");
    QTest::addColumn<QStringList>("overrides");
    QTest::addColumn<bool>("untied");
    QTest::newRow("linears") << true << QStringList{} << false;
    QTest::newRow("head saved") << true << QStringList{"adapter.modules_to_save=lm_head"} << true;
    QTest::newRow("embedding saved")
        << true << QStringList{"adapter.modules_to_save=embed_tokens"} << true;
    QTest::newRow("both saved") << true
                                << QStringList{"adapter.modules_to_save=embed_tokens lm_head"}
                                << true;
    QTest::newRow("embedding adapted")
        << true << QStringList{"adapter.target_modules=[embed_tokens, q_proj]"} << true;
    QTest::newRow("head adapted") << true << QStringList{"adapter.target_modules=[lm_head]"}
                                  << true;
    QTest::newRow("not tied, head saved")
        << false << QStringList{"adapter.modules_to_save=lm_head embed_tokens"} << false;
  }
  void merges() {
    QFETCH(bool, tied);
    QFETCH(QStringList, overrides);
    QFETCH(bool, untied);
    for (const torch::ScalarType stored : {torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
      const Base base(tied, stored);
      std::vector<std::string> all;
      for (const QString& each : overrides) all.push_back(each.toStdString());
      const fs::path folder = base.adapter("adapter", all), out = base.root() / "merged";
      const auto report = merge_adapter(base.folder(), folder, out);
      QVERIFY2(report, report ? "" : report.error().sentence().c_str());
      QCOMPARE(report->untied, untied);
      QVERIFY(report->with_picture && report->probes == 2);
      QVERIFY2(report->relative_error() <= 1e-5, report->sentence().c_str());
      const Json config = *read_json_file(out / "config.json");
      QCOMPARE(config["tie_word_embeddings"].get<bool>(), tied && !untied);
      QCOMPARE(config["text_config"]["tie_word_embeddings"].get<bool>(), tied && !untied);
      LoadedModel beside = base.load();
      const auto adapter = load_adapter(beside, folder);
      const torch::Tensor plain = logits_of(*beside.model);
      adapter.value()->activate();
      const torch::Tensor wanted = logits_of(*beside.model);
      // the adapter shows
      QVERIFY(((wanted - plain).abs().max() / plain.abs().max()).item<float>() > 0.05f);
      LoadOptions options;
      options.device = "cpu";
      options.dtype = "float32";
      auto merged = load_model(out, options);
      QVERIFY(merged);
      const double error =
          ((logits_of(*merged->model) - wanted).abs().max() / wanted.abs().max()).item<double>();
      const double allowed = stored == torch::kFloat32    ? 1e-5
                             : stored == torch::kBFloat16 ? 3e-2
                                                          : 4e-3;
      QVERIFY2(error <= allowed, std::to_string(error).c_str());
      QCOMPARE(tied_weight(*merged->model).empty(), !tied || untied);
    }
  }

  void a_merge_that_is_off_leaves_nothing() {
    const Base base(false);
    const fs::path folder = base.adapter("adapter", {}), out = base.root() / "merged";
    const auto refused = merge_adapter(base.folder(), folder, out, {-1, {}, {}});
    QVERIFY(!refused);
    QVERIFY2(refused.error().what.find("of the largest logit") != std::string::npos,
             refused.error().sentence().c_str());
    for (const auto& entry : fs::directory_iterator(base.root())) {
      QVERIFY2(entry.path().filename().string().find("merged") == std::string::npos,
               entry.path().c_str());
    }
    fs::create_directory(out);
    QVERIFY(merge_adapter(base.folder(), folder, out));
    QVERIFY(!fs::exists(out / "probe.png"));
  }

  /// What `plan` and the start of a run say is what the model itself would say later.
  void planned_as_made() {
    const Base base(true);
    const auto summary = summarize_model(base.folder());
    QVERIFY(summary);
    Recipe recipe;
    recipe.strategy = "lora";
    recipe.model = base.folder().string();
    LoadedModel loaded = base.load();
    for (const std::string change :
         {"adapter.target_modules=[q_porj]", "adapter.rank_pattern={fc3: 4}",
          "adapter.modules_to_save=merger", "adapter.target_modules=.*layers.*"}) {
      recipe.adapter = settings({change});
      const auto planned = planned_selection(*summary, recipe);
      const auto made = create_adapter(loaded, "lora", recipe.adapter, 1);
      QVERIFY(!planned && !made && !check_adapter_of(recipe));
      QCOMPARE(planned.error().sentence(), made.error().sentence());
    }
    recipe.adapter = settings();
    const auto planned = planned_selection(*summary, recipe);
    QVERIFY(planned && check_adapter_of(recipe));
    recipe.adapter.init_from = base.adapter("folder", {}).string();
    const auto from_folder = planned_selection(*summary, recipe);
    QVERIFY(from_folder);
    QCOMPARE(from_folder->wrapped.size(), planned->wrapped.size());
    QCOMPARE(from_folder->wrapped.front().scale.rank, std::int64_t{4});
  }

  /// In every family, what all-linear is written as means the wrapped modules and no other.
  void all_families() {
    int count = 0;
    for (const auto& entry :
         fs::directory_iterator(fs::path(LUTHIER_TEST_DATA) / "models" / "families")) {
      const auto summary = summarize_model(entry.path());
      QVERIFY2(summary, entry.path().c_str());
      Recipe recipe;
      recipe.strategy = "lora";
      recipe.adapter = settings();
      const auto selection = planned_selection(*summary, recipe);
      const std::vector<ModelModule> modules = all_modules(*summary);
      const bool hangs = std::any_of(modules.begin(), modules.end(),
                                     [](const ModelModule& module) { return module.linear(); });
      QCOMPARE(selection.ok(), hangs);
      if (!hangs) continue;  // convolutions alone
      const AdapterSettings written = settings_to_write(recipe.adapter, modules, *selection);
      std::set<std::string> chosen;
      for (const WrappedModule& module : selection->wrapped) chosen.insert(module.name);
      for (const ModelModule& module : modules) {
        if (module.stack()) continue;  // parameters, which no such name means
        const ModuleSelector& targets = written.target_modules;
        bool found = targets.kind == ModuleSelector::Kind::Regex &&
                     std::regex_match(module.name, std::regex(targets.regex));
        for (const std::string& key : targets.names)
          found = found || module.name == key || module.name.ends_with("." + key);
        QVERIFY2(found == chosen.contains(module.name), module.name.c_str());
      }
      ++count;
    }
    QVERIFY(count >= 13);
  }
};

QTEST_GUILESS_MAIN(TestAdapterFolders)
#include "test_adapter_folders.moc"
