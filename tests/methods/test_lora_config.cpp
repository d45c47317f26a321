// SPDX-License-Identifier: GPL-3.0-or-later
// adapter_config.json: every field of PEFT's LoraConfig is read, harmless or refused by name, and
// starts that change the base are refused.
#include "engine/methods/lora_settings.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

Result<AdapterSettings> read(const Json& config) {
  return read_settings(lora_method(), config, "config");
}

Json with(const char* name, const Json& value) {
  Json config = {
      {"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 8}, {"target_modules", {"q_proj"}}};
  config[name] = value;
  return config;
}

}  // namespace

class TestLoraConfig : public QObject {
  Q_OBJECT

 private slots:
  void every_field() {
    std::vector<SettingField> fields = lora_fields();
    fields.insert(fields.end(), common_fields().begin(), common_fields().end());
    QVERIFY(fields.size() >= 42);
    const auto by_name = [](const SettingField& l, const SettingField& r) {
      return std::string(l.name) < r.name;
    };
    std::sort(fields.begin(), fields.end(), by_name);
    std::string before;
    for (const SettingField& field : fields) {
      QVERIFY2(before < field.name, field.name);
      before = field.name;
      QVERIFY2(luthier::unknown_fields(lora_fields(), with(field.name, nullptr)).empty(),
               field.name);
      for (const Json& value :
           {Json(true), Json(3), Json("set"), Json::array({1}), Json::object(), Json({{"a", 1}})}) {
        const auto settings = read(with(field.name, value));
        if (field.use == SettingField::Use::Harmless) QVERIFY2(settings, field.name);
        if (field.use != SettingField::Use::Refused) continue;
        QVERIFY2(!settings, field.name);
        QCOMPARE(settings.error().where, std::string("config: ") + field.name);
      }
      if (field.use == SettingField::Use::Read) continue;
      QVERIFY2(*field.why, field.name);
      for (const Json& value : {Json(nullptr), Json(false), Json::array()})
        QVERIFY2(read(with(field.name, value)), field.name);
    }
  }

  void unknown_fields() {
    QCOMPARE(luthier::unknown_fields(lora_fields(), with("lorap_emb_lr", 1e-6)),
             std::vector<std::string>{"lorap_emb_lr"});
  }

  void starts_data() {
    QTest::addColumn<QString>("start");
    QTest::addColumn<QString>("read_as");  // empty: refused
    for (const char* name : {"corda", "lora_ga", "pissa_niter_many", "some_new_one"})
      QTest::newRow(name) << name << "";
    for (const char* name :
         {"pissa", "pissa_niter_4", "olora", "orthogonal", "loftq", "eva", "mica"})
      QTest::newRow(name) << name << name;
    QTest::newRow("PiSSA") << "PiSSA"
                           << "pissa";
    QTest::newRow("OLoRA") << "OLoRA"
                           << "olora";
    QTest::newRow("gaussian") << "gaussian"
                              << "gaussian";
    QTest::newRow("true") << "true"
                          << "true";
  }
  void starts() {
    QFETCH(QString, start);
    QFETCH(QString, read_as);
    const auto settings = read(with("init_lora_weights", start.toStdString()));
    if (read_as.isEmpty()) {
      QVERIFY(!settings);
      QCOMPARE(settings.error().where, std::string("config: init_lora_weights"));
      QVERIFY(QString::fromStdString(settings.error().what).contains(start));
    } else {
      QVERIFY(settings);
      QCOMPARE(settings->init_lora_weights, read_as.toStdString());
    }
  }

  void layers_are_numbers_or_one() {
    for (const Json& layers : {Json(2), Json::array({2}), Json::array({0, 2})}) {
      const auto settings = read(with("layers_to_transform", layers));
      QVERIFY2(settings, settings ? "" : settings.error().sentence().c_str());
      const Json written = lora_method().write(*settings)["layers_to_transform"];
      QCOMPARE(written, layers.is_array() ? layers : Json::array({layers}));
    }
    QVERIFY(lora_method()
                .write(*read(with("layers_to_transform", nullptr)))["layers_to_transform"]
                .is_null());
    QVERIFY(!read(with("layers_to_transform", {{"a", 1}})));
    QCOMPARE(lora_method().write(*read(with("layers_pattern", "blocks")))["layers_pattern"],
             Json::array({"blocks"}));
  }

  /// PEFT has the settings of a start in a section of its own.
  void sections_of_starts() {
    Json config = with("init_lora_weights", "loftq");
    config["loftq_config"] = {{"loftq_bits", 8}, {"loftq_iter", 3}};
    const auto settings = read(config);
    QVERIFY2(settings, settings ? "" : settings.error().sentence().c_str());
    QCOMPARE(settings->more.integer("adapter.loftq_bits"), std::int64_t{8});
    QCOMPARE(settings->more.integer("adapter.loftq_iter"), std::int64_t{3});
    const Json written = lora_method().write(*settings);
    QCOMPARE(written["loftq_config"], config["loftq_config"]);
    QVERIFY(!written.contains("loftq_bits") && !written.contains("loftq_iter"));
    QCOMPARE(lora_method().write(*read(with("r", 4)))["loftq_config"], Json::object());
    QVERIFY(written["eva_config"].is_null());
    Json eva = with("init_lora_weights", "eva");
    eva["eva_config"] = {{"rho", 1.5},
                         {"tau", 0.9},
                         {"use_label_mask", false},
                         {"label_mask_value", 0},
                         {"whiten", true},
                         {"adjust_scaling_factors", false}};
    const auto by_rows = read(eva);
    QVERIFY2(by_rows, by_rows ? "" : by_rows.error().sentence().c_str());
    QCOMPARE(by_rows->more.number("adapter.eva_rho"), 1.5);
    QVERIFY(by_rows->more.flag("adapter.eva_whiten"));
    QCOMPARE(lora_method().write(*by_rows)["eva_config"], eva["eva_config"]);
    config["loftq_config"]["loftq_bits"] = 5;
    QCOMPARE(read(config).error().where, std::string("config: loftq_config.loftq_bits"));
    config["loftq_config"] = 4;
    QCOMPARE(read(config).error().where, std::string("config: loftq_config"));
    config = with("loftq_bits", 8);  // no field of PEFT's
    QCOMPARE(read(config)->more.integer("adapter.loftq_bits"), std::int64_t{4});
  }

  void what_goes_together() {
    Json config = with("use_dora", true);
    config["lora_bias"] = true;
    const auto both = read(config);
    QVERIFY(!both);
    QCOMPARE(both.error().where, std::string("config: lora_bias"));
    QVERIFY(!read(with("bias", "some")));
    QCOMPARE(read(with("bias", "lora_only"))->bias, std::string("lora_only"));
  }

  void ranks_are_whole_numbers() {
    QVERIFY(!read(with("rank_pattern", {{"q_proj", 4.5}})));
    QVERIFY(read(with("alpha_pattern", {{"q_proj", 4.5}})));
  }
};

QTEST_GUILESS_MAIN(TestLoraConfig)
#include "test_lora_config.moc"
