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
        const auto own = packing->pack(item.value(), four_bits(), "here");
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

  /// In memory, in a checkpoint's files and in a forecast, whatever kind is asked for.
  void every_kind_is_written_read_and_counted_data() {
    QTest::addColumn<QString>("kind");
    QTest::addColumn<bool>("twice");
    for (const char* kind : {"nf4", "fp4"})
      for (const bool twice : {false, true}) QTest::addRow("%s, %d", kind, twice) << kind << twice;
    QTest::newRow("int8") << "int8" << false;
  }
  void every_kind_is_written_read_and_counted() {
    QFETCH(QString, kind);
    QFETCH(bool, twice);
    Json settings = four_bits(twice);
    if (kind == "int8")
      settings = {{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}};
    else
      settings["bnb_4bit_quant_type"] = kind.toStdString();
    const auto whole = summarize_model(root() / "plain");
    const LoadedModel at_loading = load("plain", settings);
    std::int64_t counted = 0;
    const auto parts = bytes_by_part(*whole, 4, settings).take();
    for (const auto& [part, bytes] : parts) counted += bytes;
    QCOMPARE(counted, weight_bytes(*at_loading.model));
    PackFiles how;
    how.settings = settings;
    const std::string name = "as " + kind.toStdString() + (twice ? " twice" : "");
    const Status written = pack_checkpoint(root() / "plain", root() / name, how);
    QVERIFY2(written.ok(), written.ok() ? "" : written.error().sentence().c_str());
    const auto summary = summarize_model(root() / name);
    QVERIFY2(summary.ok(), summary.ok() ? "" : summary.error().sentence().c_str());
    QCOMPARE(summary->parameters, whole->parameters);
    const LoadedModel from_file = load(name.c_str());
    const auto packed = packed_linears(*from_file.model), own = packed_linears(*at_loading.model);
    QCOMPARE(packed.size(), own.size());
    for (const auto& [module, linear] : packed) {
      QVERIFY2(at::equal(linear->weight.dense(), own.at(module)->weight.dense()), module.c_str());
      QCOMPARE(QString(linear->weight.packing()->kind().name), kind);
    }
    counted = 0;
    const auto read = bytes_by_part(*summary, 4, Json()).take();
    for (const auto& [part, bytes] : read) counted += bytes;
    QCOMPARE(counted, weight_bytes(*from_file.model));
  }

  void what_is_not_finite_is_not_packed() {
    LoadOptions options = on_cpu();
    LoadedModel broken = load("plain");
    {
      const torch::NoGradGuard no_grad;
      for (auto& item : broken.model->named_parameters())
        if (item.key().ends_with("down_proj.weight"))
          item.value()[1][1] = std::numeric_limits<float>::quiet_NaN();
    }
    QVERIFY(save_model(broken, root() / "broken", torch::kFloat32).ok());
    options.quantization = four_bits();
    const auto refused = load_model(root() / "broken", options);
    QVERIFY(!refused.ok() && refused.error().where.find("down_proj") != std::string::npos);
    PackFiles how;
    how.settings = four_bits();
    QVERIFY(!pack_checkpoint(root() / "broken", root() / "broken packed", how).ok());
    QVERIFY(!fs::exists(root() / "broken packed"));
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
    QVERIFY(contradicts({{"load_in_8bit", true}}).find("int8 is asked for") != std::string::npos);
    Json both = four_bits();
    both["load_in_8bit"] = true;
    QVERIFY(contradicts(both).find("not to both") != std::string::npos);
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
    const auto refused = parse_recipe("quantization: {bnb_4bit_quant_type: int4}", "r.yaml");
    QVERIFY(!refused.ok());
    auto both = parse_recipe(
        "model: m\ndataset: d\noutput_dir: o\nquantization: {load_in_4bit: true, "
        "load_in_8bit: true}",
        "r.yaml");
    QVERIFY(both.ok());
    const Status checked = check_recipe(*both);
    QVERIFY(!checked.ok() && checked.error().where.find("load_in_8bit") != std::string::npos);
    for (const char* type : {"nf4", "fp4"})
      QVERIFY(parse_recipe(std::string("quantization: {load_in_4bit: true, bnb_4bit_quant_type: ") +
                               type + "}",
                           "r.yaml")
                  .ok());
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
