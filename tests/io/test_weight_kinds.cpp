// SPDX-License-Identifier: GPL-3.0-or-later
// Kinds of packed weights without their tensors: which settings mean which, names beside a weight,
// bytes.
#include <QtTest>

#include "engine/io/weight_kinds.h"

using namespace luthier;

namespace {

Json four_bits(const char* type) {
  return {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", type}};
}

const WeightKind* found(const Json& settings) {
  const auto kind = find_weight_kind(settings, "config.json");
  return kind.ok() ? *kind : nullptr;
}

std::string refused(const Json& settings) {
  const auto kind = find_weight_kind(settings, "config.json: quantization_config");
  return kind.ok() ? std::string() : kind.error().sentence();
}

}  // namespace

class TestWeightKinds : public QObject {
  Q_OBJECT

 private slots:
  void plain_weights_are_no_kind() {
    for (const Json& settings :
         {Json(), Json(Json::object()), Json{{"load_in_4bit", false}},
          Json{{"load_in_4bit", false}, {"load_in_8bit", false}}, Json{{"load_in_4bit", "yes"}}}) {
      const auto kind = find_weight_kind(settings, "here");
      QVERIFY(kind.ok() && *kind == nullptr);
    }
  }

  void settings_mean_a_kind() {
    const WeightKind* kind = found(four_bits("nf4"));
    QVERIFY(kind && std::string(kind->name) == "nf4");
    // As transformers 4 and 5 write it, and without the method.
    QVERIFY(found({{"_load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}}) == kind);
    for (const Json& other :
         {Json{{"quant_method", "hqq"}, {"bits", 4}},
          Json{{"quant_method", "eetq"}, {"load_in_4bit", true}}, four_bits("nf3")}) {
      QVERIFY2(refused(other).find("Known: ") != std::string::npos, refused(other).c_str());
    }
    const auto name = [](const Json& settings) {
      const WeightKind* meant = found(settings);
      return std::string(meant ? meant->name : "");
    };
    QCOMPARE(name(four_bits("fp4")), std::string("fp4"));
    QCOMPARE(name({{"load_in_4bit", true}}), std::string("fp4"));  // bitsandbytes' own default
    QCOMPARE(name({{"load_in_8bit", true}}), std::string("int8"));
    QCOMPARE(name({{"_load_in_8bit", true}, {"quant_method", "bitsandbytes"}}),
             std::string("int8"));
    QCOMPARE(name({{"quant_method", "gptq"}, {"bits", 4}}), std::string("gptq"));
    QCOMPARE(name({{"quant_method", "awq"}, {"bits", 4}, {"version", "gemm"}}), std::string("awq"));
  }

  void what_cannot_be_followed_is_named() {
    Json settings = four_bits("nf4");
    settings["bnb_4bit_quant_storage"] = "bfloat16";
    QVERIFY(refused(settings).find("bnb_4bit_quant_storage") != std::string::npos);
    settings = four_bits("nf4");
    settings["bnb_4bit_compute_dtype"] = "float64";
    QVERIFY(refused(settings).find("bnb_4bit_compute_dtype") != std::string::npos);
    const auto names = [](const Json& other, const char* field) {
      return refused(other).find(field) != std::string::npos;
    };
    QVERIFY(names({{"load_in_8bit", true}, {"llm_int8_has_fp16_weight", true}},
                  "llm_int8_has_fp16_weight"));
    QVERIFY(names({{"load_in_8bit", true}, {"llm_int8_threshold", -1}}, "llm_int8_threshold"));
    QVERIFY(names({{"load_in_8bit", true}, {"llm_int8_threshold", "6"}}, "llm_int8_threshold"));
    QVERIFY(names({{"load_in_8bit", true}, {"load_in_4bit", true}}, "load_in_8bit"));
    for (const char* method : {"gptq", "awq"}) {
      const Json base{{"quant_method", method}, {"bits", 4}};
      const auto with = [&](const char* key, Json value) {
        Json changed = base;
        changed[key] = std::move(value);
        return changed;
      };
      QVERIFY(names(with("bits", 3), "bits"));
      QVERIFY(names(with("bits", "4"), "bits"));
      for (const Json& size :
           {Json(0), Json(-2), Json("128"), Json(1.5), Json(std::int64_t{1} << 40)})
        QVERIFY2(names(with("group_size", size), "group_size"), size.dump().c_str());
      QVERIFY(names(with("format", "marlin"), "format"));
    }
    QVERIFY(names({{"quant_method", "gptq"}, {"bits", 4}, {"is_marlin_format", true}}, "marlin"));
    QVERIFY(names({{"quant_method", "awq"}, {"bits", 4}, {"version", "gemv"}}, "version"));
  }

  void names_beside_and_back() {
    struct Name {
      Json settings;
      std::string name, weight, end;
    };
    const Json eight{{"load_in_8bit", true}}, gptq{{"quant_method", "gptq"}};
    for (const Name& each : {Name{eight, "m.a.SCB", "m.a.weight", ".SCB"},
                             Name{eight, "m.a.weight_format", "m.a.weight", ".weight_format"},
                             Name{gptq, "m.a.qweight", "m.a.weight", ".qweight"},
                             Name{gptq, "m.a.g_idx", "m.a.weight", ".g_idx"},
                             Name{four_bits("fp4"), "m.a.weight.quant_state.bitsandbytes__fp4",
                                  "m.a.weight", ".quant_state.bitsandbytes__fp4"}}) {
      const WeightKind& kind = *found(each.settings);
      const auto part = part_of_weight(each.name, kind);
      QVERIFY2(part && part->weight == each.weight && part->end == each.end, each.name.c_str());
      QCOMPARE(part_name(each.weight, each.end, kind), each.name);
    }
    QCOMPARE(part_name("m.a.weight", "", *found(gptq)), std::string("m.a.qweight"));
    QCOMPARE(part_name("m.a.weight", "", *found(eight)), std::string("m.a.weight"));
    QCOMPARE(part_name("rows", ".SCB", *found(eight)), std::string("rows.SCB"));
    QVERIFY(!part_of_weight(".SCB", *found(eight)) && !part_of_weight("a.weight", *found(gptq)));
  }

  void names_beside_a_weight() {
    const WeightKind& kind = *found(four_bits("nf4"));
    const auto part = part_of_weight("model.a.weight.absmax", kind);
    QVERIFY(part && part->weight == "model.a.weight" && part->end == ".absmax");
    for (const char* end :
         {".quant_map", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4"})
      QVERIFY2(part_of_weight(std::string("a.weight") + end, kind), end);
    for (const char* name : {"a.weight", "a.bias.absmax", "a.absmax", "absmax",
                             "a.weight.quant_state.bitsandbytes__fp4"})
      QVERIFY2(!part_of_weight(name, kind), name);
  }

  void bytes_of_a_weight() {
    const WeightKind& kind = *found(four_bits("nf4"));
    Json settings = four_bits("nf4");
    QCOMPARE(kind.bytes(512, 256, settings), 512 * 256 / 2 + 512 * 256 / 64 * 4);
    QCOMPARE(kind.bytes(3, 7, settings), 11 + 4);  // 21 numbers: a half byte over, one short block
    settings["bnb_4bit_use_double_quant"] = true;
    QCOMPARE(kind.bytes(512, 256, settings), 512 * 256 / 2 + 2048 + 8 * 4);
    const Json eight{{"load_in_8bit", true}};
    QCOMPARE(found(eight)->bytes(512, 256, eight), 512 * 256 + 512 * 4);
    // 48 columns in groups of 32: two groups of a scale of two bytes and a zero of one.
    const Json grouped{{"quant_method", "awq"}, {"group_size", 32}};
    QCOMPARE(found(grouped)->bytes(16, 48, grouped), 16 * 24 + 16 * 2 * 3);
    const Json whole{{"quant_method", "gptq"}, {"group_size", -1}};
    QCOMPARE(found(whole)->bytes(16, 48, whole), 16 * 24 + 16 * 3 + 48 * 4);
  }

  void what_is_written_means_the_same_kind() {
    const WeightKind& kind = *found(four_bits("nf4"));
    Json settings = four_bits("nf4");
    settings["bnb_4bit_use_double_quant"] = true;
    const Json written = kind.written(settings);
    QVERIFY(found(written) == &kind);
    QCOMPARE(kind.bytes(64, 64, written), kind.bytes(64, 64, settings));
    const Json eight{{"load_in_8bit", true}, {"llm_int8_threshold", 5.5}};
    const Json as_written = found(eight)->written(eight);
    QVERIFY(found(as_written) == found(eight) && as_written["llm_int8_threshold"] == 5.5);
    QVERIFY(!found({{"quant_method", "gptq"}})->written);
  }
};

QTEST_APPLESS_MAIN(TestWeightKinds)
#include "test_weight_kinds.moc"
