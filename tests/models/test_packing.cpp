// SPDX-License-Identifier: GPL-3.0-or-later
// A base that is packed while it loads, and one that its files hold packed: which linears, what is
// counted, what is written, what an adapter merges into.
#include "engine/config/recipe.h"
#include "engine/methods/merge.h"
#include "engine/methods/method.h"
#include "engine/models/model_summary.h"
#include "engine/models/pack_files.h"
#include "engine/models/packing.h"
#include "engine/train/strategy.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

Json four_bits(bool twice = false) {
  return {{"quant_method", "bitsandbytes"},
          {"load_in_4bit", true},
          {"bnb_4bit_quant_type", "nf4"},
          {"bnb_4bit_use_double_quant", twice}};
}

}  // namespace

class TestPacking : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    make_model(root() / "drawn");
    LoadOptions options = on_cpu();
    options.random_weights = true;
    const auto made = load_model(root() / "drawn", options);
    QVERIFY2(made.ok(), made.ok() ? "" : made.error().sentence().c_str());
    QVERIFY(save_model(*made, root() / "plain", torch::kFloat32).ok());
    PackFiles how;
    how.settings = four_bits(true);
    const Status packed = pack_checkpoint(root() / "plain", root() / "packed", how);
    QVERIFY2(packed.ok(), packed.ok() ? "" : packed.error().sentence().c_str());
    plain_ = load("plain");
  }

  void every_linear_but_the_head_is_packed() {
    const LoadedModel four = load("plain", four_bits());
    const auto packed = packed_linears(*four.model);
    std::size_t linears = 0;
    for (const auto& item : plain_.model->named_modules())
      linears += std::dynamic_pointer_cast<LinearImpl>(item.value()) ? 1 : 0;
    QCOMPARE(packed.size(), linears - 1);
    QVERIFY(!packed.contains("lm_head"));
    QCOMPARE(four.quantization, four_bits());
    QCOMPARE(parameter_count(*four.model), parameter_count(*plain_.model));
    const auto dense = plain_.model->named_parameters(), rest = four.model->named_parameters();
    for (const auto& item : dense) {
      const std::string module = item.key().substr(0, item.key().rfind('.'));
      if (packed.contains(module) && item.key().ends_with(".weight")) {
        const auto* packing = weight_packing(packed.at(module)->weight.packing()->kind());
        const auto own = packing->pack(item.value(), four_bits());
        QVERIFY(at::equal(Weight(*own).dense(), packed.at(module)->weight.dense()));
        QVERIFY(!rest.contains(item.key()));
      } else {
        QVERIFY2(at::equal(rest[item.key()], item.value()), item.key().c_str());
      }
    }
  }

  void a_list_says_what_stays() {
    Json settings = four_bits();
    settings["llm_int8_skip_modules"] = {"model.vision_tower", "q_proj", "lm_head"};
    const LoadedModel four = load("plain", settings);
    const auto packed = packed_linears(*four.model);
    QVERIFY(!packed.empty());
    for (const auto& [name, linear] : packed) {
      QVERIFY2(!name.starts_with("model.vision_tower") && !name.ends_with("q_proj"), name.c_str());
    }
    settings["llm_int8_skip_modules"] = Json::array();
    QVERIFY(packed_linears(*load("plain", settings).model).contains("lm_head"));
  }

  void a_packed_checkpoint_is_loaded_as_it_is() {
    const LoadedModel from_file = load("packed"), at_loading = load("plain", four_bits(true));
    const auto packed = packed_linears(*from_file.model);
    const auto own = packed_linears(*at_loading.model);
    QCOMPARE(packed.size(), own.size());
    for (const auto& [name, linear] : packed)
      QVERIFY2(at::equal(linear->weight.dense(), own.at(name)->weight.dense()), name.c_str());
    QCOMPARE(QString::fromStdString(from_file.stored_dtype), QStringLiteral("F32"));
    QVERIFY(from_file.quantization.is_object());
  }

  void what_a_packed_checkpoint_says() {
    const auto summary = summarize_model(root() / "packed");
    QVERIFY2(summary.ok(), summary.ok() ? "" : summary.error().sentence().c_str());
    const auto whole = summarize_model(root() / "plain");
    QCOMPARE(summary->parameters, whole->parameters);
    for (std::size_t i = 0; i < summary->modules.size(); ++i) {
      const ModuleSummary& module = summary->modules[i];
      QCOMPARE(module.shape, whole->modules[i].shape);
      const bool packed = module.type == "Linear" && module.name != "lm_head";
      QVERIFY2(module.dtype == (packed ? "nf4" : "F32"), module.name.c_str());
    }
    // What a forecast counts is what stands in memory then, whoever asked for it.
    const auto sum = [](const auto& parts) {
      std::int64_t bytes = 0;
      for (const auto& [part, each] : *parts) bytes += each;
      return bytes;
    };
    QCOMPARE(sum(bytes_by_part(*summary, 4, Json())), weight_bytes(*load("packed").model));
    QCOMPARE(sum(bytes_by_part(*whole, 4, four_bits())),
             weight_bytes(*load("plain", four_bits()).model));
    QCOMPARE(sum(bytes_by_part(*whole, 4, Json())), weight_bytes(*plain_.model));
    QVERIFY(weight_bytes(*load("packed").model) * 2 < weight_bytes(*plain_.model));
    QCOMPARE(*largest_dense_run(*whole, Json(), 4, true), 0);
    const std::int64_t largest = *largest_dense_run(*summary, Json(), 4, true) / 4;
    QVERIFY(largest >= 64 * 128);
    QCOMPARE(*largest_dense_run(*summary, Json(), 2, true), 2 * largest);
    // On a device they are float32 first, beside what they are made of or rounded to.
    QCOMPARE(*largest_dense_run(*summary, Json(), 4, false), 6 * largest);
    QCOMPARE(*largest_dense_run(*summary, Json(), 2, false), 6 * largest);
  }

  void what_contradicts_is_refused() {
    const auto contradicts = [&](const Json& settings) {
      LoadOptions options = on_cpu();
      options.quantization = settings;
      const auto loaded = load_model(root() / "packed", options);
      return loaded.ok() ? std::string() : loaded.error().sentence();
    };
    QVERIFY(contradicts(four_bits(true)).empty());
    QVERIFY(contradicts(four_bits(false)).find("bnb_4bit_use_double_quant") != std::string::npos);
    QVERIFY(contradicts({{"load_in_8bit", true}}).find("Known: ") != std::string::npos);
    PackFiles how;
    how.settings = four_bits(true);
    const Status again = pack_checkpoint(root() / "packed", root() / "twice", how);
    QVERIFY(!again.ok() && again.error().sentence().find("already") != std::string::npos);
    LoadOptions random = on_cpu();
    random.random_weights = true;
    random.quantization = four_bits();
    QVERIFY(!load_model(root() / "drawn", random).ok());
  }

  void what_trains_itself_is_refused() {
    LoadedModel four = load("packed");
    for (const char* strategy : {"full", "freeze"}) {
      Recipe recipe;
      QVERIFY(set_field(recipe, "strategy", strategy).ok());
      const auto trainables = apply_strategy(four, recipe);
      QVERIFY(!trainables.ok() && trainables.error().where == "strategy");
      const auto asked = parse_recipe(
          std::string("strategy: ") + strategy + "\nquantization: {load_in_4bit: true}\n",
          "r.yaml");
      QVERIFY(!asked.ok());
      QVERIFY(asked.error().sentence().find("load_in_4bit") != std::string::npos);
    }
    AdapterSettings whole;
    whole.modules_to_save = {"down_proj"};
    const auto adapter = create_adapter(four, "lora", whole, 1);
    QVERIFY(!adapter.ok());
    QVERIFY(adapter.error().sentence().find("down_proj") != std::string::npos);
    whole.modules_to_save = {"lm_head"};
    QVERIFY(create_adapter(four, "lora", whole, 1).ok());
  }

  void an_adapter_hangs_on_every_packed_linear() {
    LoadedModel four = load("packed");
    const auto adapter = create_adapter(four, "lora", AdapterSettings(), 1).take();
    QCOMPARE(adapter->tensors().size(), packed_linears(*four.model).size() * 2);
  }

  void merging_writes_a_dense_checkpoint() {
    LoadedModel four = load("packed");
    AdapterSettings settings;
    settings.init_lora_weights = "false";  // B is drawn too, so that the adapter does something
    const auto adapter = create_adapter(four, "lora", settings, 5).take();
    fs::create_directories(root() / "adapter");
    QVERIFY(adapter->save(root() / "adapter", (root() / "packed").string()).ok());
    const auto report = merge_adapter(root() / "packed", root() / "adapter", root() / "merged");
    QVERIFY2(report.ok(), report.ok() ? "" : report.error().sentence().c_str());
    const LoadedModel merged = load("merged");
    QVERIFY(packed_linears(*merged.model).empty() && merged.quantization.is_null());
    QVERIFY(!merged.config.contains("quantization_config"));
  }

  void a_recipe_asks_for_it() {
    const auto recipe = parse_recipe(
        "quantization:\n  load_in_4bit: true\n  bnb_4bit_use_double_quant: true\n", "r.yaml");
    QVERIFY2(recipe.ok(), recipe.ok() ? "" : recipe.error().sentence().c_str());
    QVERIFY(recipe_to_yaml(*recipe).find("load_in_4bit: true") != std::string::npos);
    for (const char* other : {"load_in_8bit: true", "bnb_4bit_quant_type: int4"}) {
      const auto refused = parse_recipe(std::string("quantization: {") + other + "}", "r.yaml");
      QVERIFY2(!refused.ok(), other);
    }
  }

 private:
  fs::path root() const { return folder_.path().toStdString(); }
  static LoadOptions on_cpu() {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    return options;
  }
  LoadedModel load(const char* name, const Json& settings = Json()) const {
    LoadOptions options = on_cpu();
    options.quantization = settings;
    auto loaded = load_model(root() / name, options);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    return loaded.take();
  }
  QTemporaryDir folder_;
  LoadedModel plain_;
};

QTEST_GUILESS_MAIN(TestPacking)
#include "test_packing.moc"
