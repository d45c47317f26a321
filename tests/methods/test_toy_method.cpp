// SPDX-License-Identifier: GPL-3.0-or-later
// A method that is in no table: a number is added to all that each target gives. What the room does
// for every method (choosing modules, keys, saved modules, switching, files) it does for this one.
#include "engine/methods/build_adapter.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

class AddPlug : public LinearPlug {
 public:
  explicit AddPlug(Tensor own) : number(std::move(own)) {}
  Tensor forward(const Tensor& x, const LinearImpl& linear) const override {
    return linear.product(x) + number * strength;
  }
  Tensor number;  // [1]
};

bool is_linear(const ModelModule& module) { return module.linear(); }

std::vector<TensorSize> sizes(const ModelModule&, const ModuleScale&, const AdapterSettings&) {
  return {{".toy_number", {1}}};
}

void draw(std::vector<Tensor>& tensors, const ModuleToHang&, at::Generator& generator) {
  tensors[0].normal_(0, 1, generator);
}

Adapter::Hung hang(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  Linear base = ports.linears.at(to.module.name);
  return hung_on(base->plug, to.module.name, std::make_shared<AddPlug>(tensors[0]));
}

const std::vector<SettingField>& fields() {
  static const std::vector<SettingField> table{{"exclude_modules", SettingField::Use::Read, ""},
                                               {"louder", SettingField::Use::Refused, "shouts"},
                                               {"modules_to_save", SettingField::Use::Read, ""},
                                               {"target_modules", SettingField::Use::Read, ""}};
  return table;
}

Result<AdapterSettings> read(const Json& config, const std::string& where) {
  AdapterSettings settings;
  LUTHIER_CHECK(read_module_settings(config, where, settings));
  return settings;
}

Json write(const AdapterSettings& settings) {
  Json config = common_json();
  write_module_settings(settings, config);
  return config;
}

const Method& toy() {
  static const MethodKind kind = [] {
    MethodKind half{{"toy", "Adds a number.", {}, {}, {}}};
    half.peft_type = "TOY";
    return half;
  }();
  static const ModuleMethod of_modules{{"The toy wraps Linear modules.", is_linear, all_linear},
                                       {".toy_number"},
                                       sizes,
                                       nullptr,
                                       nullptr,
                                       draw,
                                       hang};
  static const Method method = [] {
    Method row(kind);
    row.fields = fields, row.read = read, row.write = write;
    row.of_modules = &of_modules;
    row.unmergeable = "The toy cannot be merged.";
    return row;
  }();
  return method;
}

}  // namespace

class TestToyMethod : public QObject {
  Q_OBJECT

  MethodBase base_;

  AdapterSettings settings(const std::vector<std::string>& overrides) {
    return base_.recipe("lora", overrides).adapter;
  }

 private slots:
  void hangs_and_comes_off() {
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const Tensor plain = logits_of(*loaded.model);
    const auto adapter =
        build_fresh(toy(), loaded, settings({"adapter.target_modules=[v_proj, up_proj]"}), 5);
    QVERIFY2(adapter, adapter ? "" : adapter.error().sentence().c_str());
    const auto tensors = adapter.value()->tensors();
    QCOMPARE(tensors.size(), std::size_t{7});  // two a layer of text, v_proj of three of the tower
    QCOMPARE(tensors.front().first,
             std::string("base_model.model.model.language_model.layers.0.mlp.up_proj.toy_number"));
    adapter.value()->activate();
    QVERIFY(far(logits_of(*loaded.model), plain) > 1e-3);
    adapter.value()->set_strength(0);
    QVERIFY(torch::equal(logits_of(*loaded.model), plain));
    adapter.value()->deactivate();
    QVERIFY(torch::equal(logits_of(*loaded.model), plain));
    QVERIFY(same_bytes(*loaded.model, before));
    QVERIFY(!adapter.value()->check_mergeable("folder"));
  }

  void two_adapters_on_one_base() {
    LoadedModel loaded = base_.load();
    const auto first = build_fresh(toy(), loaded, settings({}), 1).take();
    const auto second = build_fresh(toy(), loaded, settings({}), 2).take();
    first->activate();
    const Tensor by_first = logits_of(*loaded.model);
    first->deactivate();
    second->activate();
    const Tensor by_second = logits_of(*loaded.model);
    QVERIFY(far(by_second, by_first) > 1e-3);
    first->deactivate();  // that it is off already takes nothing from the other
    QVERIFY(torch::equal(logits_of(*loaded.model), by_second));
    second->deactivate();
    first->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), by_first));
  }

  void folders() {
    LoadedModel loaded = base_.load();
    const auto adapter = build_fresh(
        toy(), loaded,
        settings({"adapter.target_modules=[q_proj]", "adapter.modules_to_save=linear_2"}), 5);
    QVERIFY(adapter);
    disturb(*adapter.value());
    const fs::path folder = base_.made("toy");
    QVERIFY(adapter.value()->save(folder, "the base"));
    const Json config = *read_json_file(folder / "adapter_config.json");
    QCOMPARE(config["peft_type"], Json("TOY"));
    QCOMPARE(config["base_model_name_or_path"], Json("the base"));
    QCOMPARE(config["modules_to_save"], Json({"linear_2"}));
    const auto read_back = read_settings(toy(), config, "config");
    QVERIFY(read_back);
    const auto file = SafetensorsFile::open(folder / "adapter_model.safetensors");
    QVERIFY(file);
    const auto again = build_from(toy(), loaded, *read_back, *file);
    QVERIFY2(again, again ? "" : again.error().sentence().c_str());
    adapter.value()->activate();
    const Tensor wanted = logits_of(*loaded.model);
    adapter.value()->deactivate();
    again.value()->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), wanted));
    again.value()->deactivate();
    // A method's folder is no other method's, and one that nobody knows is named.
    const auto unknown = load_adapter(loaded, folder);
    QVERIFY(!unknown && unknown.error().what.find("TOY") != std::string::npos);
    Json louder = config;
    louder["louder"] = true;
    const auto refused = read_settings(toy(), louder, "config");
    QVERIFY(!refused && refused.error().where == "config: louder");
  }

  void targets_that_it_cannot_wrap() {
    LoadedModel loaded = base_.load();
    const auto refused =
        build_fresh(toy(), loaded, settings({"adapter.target_modules=[embed_tokens]"}), 5);
    QVERIFY(!refused);
    QVERIFY2(refused.error().what.find("The toy wraps Linear modules.") != std::string::npos,
             refused.error().sentence().c_str());
  }
};

QTEST_GUILESS_MAIN(TestToyMethod)
#include "test_toy_method.moc"
