// SPDX-License-Identifier: GPL-3.0-or-later
// Phi-3's decoder: its configuration's defaults and refusals, one product beside the three that it
// is made of, a cache beside the whole row.
#include "engine/models/families.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "tests/models/text_rows.h"

using namespace luthier;
using luthier::test::built;
using luthier::test::states;
using luthier::test::states_token_by_token;
using torch::Tensor;

namespace {

Json phi3(const Json& patch = Json::object()) {
  Json config = {{"model_type", "phi3"},    {"vocab_size", 40},       {"hidden_size", 16},
                 {"intermediate_size", 24}, {"num_hidden_layers", 2}, {"num_attention_heads", 2},
                 {"num_key_value_heads", 1}};
  config.merge_patch(patch);
  return config;
}

Result<DecoderOptions> read(const Json& patch = Json::object()) {
  return read_decoder_options(phi3(patch), "config.json");
}

Json longrope(const char* type) {
  return {{"rope_type", type},
          {"partial_rotary_factor", 0.75},
          {"short_factor", {1.0, 1.1, 1.2}},
          {"long_factor", {1.5, 2.0, 2.5}}};
}

}  // namespace

class TestPhi3 : public QObject {
  Q_OBJECT

 private slots:
  void what_a_file_leaves_out() {
    const auto options = read_decoder_options({{"model_type", "phi3"}}, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->vocab_size, 32064);
    QCOMPARE(options->hidden_size, 3072);
    QCOMPARE(options->intermediate_size, 8192);
    QCOMPARE(options->num_hidden_layers, 32);
    QCOMPARE(options->num_key_value_heads, 32);
    QCOMPARE(options->head_dim, 96);
    QCOMPARE(options->rms_norm_eps, 1e-5);
    QVERIFY(!options->tie_word_embeddings && !options->sliding_windows.at(0));
    QVERIFY(options->fused_qkv && options->fused_mlp && !options->qkv_bias);
    QCOMPARE(read({{"sliding_window", 7}})->sliding_windows.at(1), std::optional<std::int64_t>(7));
  }

  void longrope_by_its_older_names() {
    for (const char* type : {"longrope", "su", "yarn"}) {
      const auto options = read({{"max_position_embeddings", 64},
                                 {"original_max_position_embeddings", 8},
                                 {"rope_parameters", longrope(type)}});
      QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
      QCOMPARE(options->rotary.type, std::string("longrope"));
      QCOMPARE(options->rotary.dimension, 6);
      QCOMPARE(options->rotary.factor, 8.0);
      QCOMPARE(options->rotary.original_max_position_embeddings, 8);
    }
    // What stands among the rotary settings does not count.
    Json rope = longrope("longrope");
    rope["original_max_position_embeddings"] = 8;
    QCOMPARE(read({{"rope_parameters", rope}})->rotary.original_max_position_embeddings, 4096);
  }

  void refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"resid_pdrop": 0.1})", "resid_pdrop");
    add(R"({"attention_dropout": 0.1})", "attention_dropout");
    add(R"({"sliding_window": 0})", "sliding_window");
    add(R"({"original_max_position_embeddings": "8"})", "original_max_position_embeddings");
    add(R"({"rope_parameters": {"rope_type": "llama3"}})", "rope_parameters.rope_type");
    add(R"({"rope_scaling": {"type": "linear", "factor": 2}})", "rope_scaling.rope_type");
    add(R"({"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1]}})",
        "rope_scaling.long_factor");
  }
  void refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  /// A Llama of the same numbers, whose products lie apart.
  void one_product_is_three() {
    const auto fused = built(phi3_family, phi3());
    Json config = phi3({{"model_type", "llama"}, {"rms_norm_eps", 1e-5}});
    const auto apart = built(llama_family, config);
    const torch::NoGradGuard no_grad;
    const auto from = fused->named_parameters();
    for (auto& item : apart->named_parameters()) {
      const std::string& name = item.key();
      const auto part = [&](const char* own, const char* whole, std::int64_t begin,
                            std::int64_t end) {
        const std::size_t at = name.find(own);
        if (at == std::string::npos) return false;
        std::string other = name;
        other.replace(at, std::string(own).size(), whole);
        item.value().copy_(from[other].slice(0, begin, end));
        return true;
      };
      if (part("q_proj", "qkv_proj", 0, 16) || part("k_proj", "qkv_proj", 16, 24) ||
          part("v_proj", "qkv_proj", 24, 32) || part("gate_proj", "gate_up_proj", 0, 24) ||
          part("up_proj", "gate_up_proj", 24, 48))
        continue;
      item.value().copy_(from[name]);
    }
    const std::vector<std::int64_t> ids{3, 8, 21, 5, 9, 30, 2};
    QVERIFY(at::allclose(states(*fused, ids), states(*apart, ids), 1e-5, 1e-6));
  }

  void goes_on_from_a_cache() {
    const auto model = built(phi3_family, phi3({{"sliding_window", 3}}));
    const torch::NoGradGuard no_grad;
    const std::vector<std::int64_t> ids{3, 8, 21, 5, 9, 30, 2, 2, 17, 4};
    const Tensor whole = states(*model, ids);
    QVERIFY(at::allclose(states_token_by_token(*model, ids), whole, 1e-4, 1e-5));
  }
};

QTEST_GUILESS_MAIN(TestPhi3)
#include "test_phi3.moc"
