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
         {Json{{"load_in_8bit", true}}, Json{{"quant_method", "gptq"}, {"bits", 4}},
          Json{{"quant_method", "awq"}, {"load_in_4bit", true}}, four_bits("nf3")}) {
      QVERIFY2(refused(other).find("Known: ") != std::string::npos, refused(other).c_str());
    }
  }

  void what_cannot_be_followed_is_named() {
    Json settings = four_bits("nf4");
    settings["bnb_4bit_quant_storage"] = "bfloat16";
    QVERIFY(refused(settings).find("bnb_4bit_quant_storage") != std::string::npos);
    settings = four_bits("nf4");
    settings["bnb_4bit_compute_dtype"] = "float64";
    QVERIFY(refused(settings).find("bnb_4bit_compute_dtype") != std::string::npos);
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
  }

  void what_is_written_means_the_same_kind() {
    const WeightKind& kind = *found(four_bits("nf4"));
    Json settings = four_bits("nf4");
    settings["bnb_4bit_use_double_quant"] = true;
    const Json written = kind.written(settings);
    QVERIFY(found(written) == &kind);
    QCOMPARE(kind.bytes(64, 64, written), kind.bytes(64, 64, settings));
  }
};

QTEST_APPLESS_MAIN(TestWeightKinds)
#include "test_weight_kinds.moc"
