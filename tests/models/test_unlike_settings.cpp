// SPDX-License-Identifier: GPL-3.0-or-later
// Which settings of two config.json ask for unlike tensors: those alone, whether one or several,
// said or left to a default, and none of those that change no tensor.
#include "engine/check/tiny_models.h"
#include "engine/models/unlike_settings.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;

namespace {

using Names = std::vector<std::string>;

const Family& family_of(const std::string& type) {
  const auto family = find_family({{"model_type", type}}, "here");
  if (!family) qFatal("no family is named %s", type.c_str());
  return **family;
}

Json config_of(const std::string& type) { return tiny_model(family_of(type)).take().config; }

}  // namespace

class TestUnlikeSettings : public QObject {
  Q_OBJECT

  static void compare(const std::string& type, const Json& one, const Json& other,
                      const Names& wanted) {
    QCOMPARE(unlike_settings(family_of(type), one, other), wanted);
    QCOMPARE(unlike_settings(family_of(type), other, one), wanted);
  }

 private slots:
  void those_that_change_tensors_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("section");
    QTest::addColumn<QString>("key");
    QTest::addColumn<int>("value");
    const auto row = [](const char* type, const char* section, const char* key, int value) {
      QTest::addRow("%s %s.%s", type, section, key) << type << section << key << value;
    };
    row("llava", "text_config", "num_hidden_layers", 3);
    row("llava", "vision_config", "num_hidden_layers", 4);
    row("llava", "text_config", "intermediate_size", 128);
    row("llava", "text_config", "hidden_size", 128);
    row("llava", "text_config", "vocab_size", 600);
    row("llava", "vision_config", "patch_size", 10);
    row("qwen2_5_vl", "vision_config", "depth", 4);
    row("bert", "", "type_vocab_size", 3);
    row("t5", "", "num_decoder_layers", 3);
    row("florence2", "text_config", "decoder_layers", 3);
    row("florence2", "vision_config", "max_position_embeddings", 60);
  }
  void those_that_change_tensors() {
    QFETCH(QString, type);
    QFETCH(QString, section);
    QFETCH(QString, key);
    QFETCH(int, value);
    const Json one = config_of(type.toStdString());
    Json other = one;
    (section.isEmpty() ? other : other[section.toStdString()])[key.toStdString()] = value;
    // Beside them what changes none.
    other["_name_or_path"] = "elsewhere";
    other["dtype"] = "bfloat16";
    other["max_position_embeddings_of_nobody"] = 7;
    const QString path = section.isEmpty() ? key : section + "." + key;
    compare(type.toStdString(), one, other, {path.toStdString()});
    QCOMPARE(setting_text(other, path.toStdString()), std::to_string(value));
  }

  void several_are_all_named() {
    const Json one = config_of("llava");
    Json other = one;
    other["text_config"]["num_hidden_layers"] = 5;
    other["text_config"]["rms_norm_eps"] = 1e-3;
    other["vision_config"]["intermediate_size"] = 32;
    compare("llava", one, other,
            {"text_config.num_hidden_layers", "vision_config.intermediate_size"});
  }

  /// A number of layers and the list of their kinds, of which neither makes a model alone.
  void those_that_go_together_are_named_together() {
    const Json one = config_of("gemma3");
    Json other = one;
    other["text_config"]["num_hidden_layers"] = 3;
    other["text_config"]["layer_types"].erase(0);
    compare("gemma3", one, other, {"text_config.num_hidden_layers", "text_config.layer_types"});
  }

  void a_default_is_a_value() {
    const Json one = config_of("t5");
    Json other = one;
    other.erase("num_decoder_layers");
    compare("t5", one, other, {});  // as many as the encoder has: the same
    other["num_decoder_layers"] = 4;
    Json silent = one;
    silent.erase("num_decoder_layers");
    compare("t5", silent, other, {"num_decoder_layers"});
    QCOMPARE(setting_text(silent, "num_decoder_layers"), std::string());
  }

  void what_is_alike_or_no_configuration_has_none() {
    const Json one = config_of("clip");
    compare("clip", one, one, {});
    compare("clip", one, Json::array(), {});
    compare("clip", one, Json(), {});
    Json lying = one;  // reads as no model at all, and is none of these
    lying["text_config"] = 3;
    QCOMPARE(unlike_settings(family_of("clip"), one, lying), Names{"text_config"});
    QCOMPARE(setting_text(lying, "text_config.vocab_size"), std::string());
    QCOMPARE(setting_text(lying, "text_config"), std::string("3"));
    QCOMPARE(setting_text(lying, ""), std::string());
    QCOMPARE(setting_text(lying, "."), std::string());
  }
};

QTEST_GUILESS_MAIN(TestUnlikeSettings)
#include "test_unlike_settings.moc"
