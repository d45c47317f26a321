// SPDX-License-Identifier: GPL-3.0-or-later
// OPT's decoder: its configuration's defaults and refusals, a table of places beside a cache, rows
// together as alone.
#include "engine/models/families.h"
#include "engine/models/opt/opt_body.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "tests/models/text_rows.h"

using namespace luthier;
using luthier::test::built;
using luthier::test::states;
using luthier::test::states_token_by_token;
using torch::Tensor;

namespace {

Json opt(const Json& patch = Json::object()) {
  Json config = {{"model_type", "opt"},    {"vocab_size", 40},
                 {"hidden_size", 16},      {"ffn_dim", 24},
                 {"num_hidden_layers", 2}, {"num_attention_heads", 2},
                 {"pad_token_id", 1},      {"max_position_embeddings", 12}};
  config.merge_patch(patch);
  return config;
}

}  // namespace

class TestOpt : public QObject {
  Q_OBJECT

 private slots:
  void what_a_file_leaves_out() {
    const auto options = read_opt_options({{"model_type", "opt"}}, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->vocab_size, 50272);
    QCOMPARE(options->hidden_size, 768);
    QCOMPARE(options->intermediate_size, 3072);
    QCOMPARE(options->num_hidden_layers, 12);
    QCOMPARE(options->head_dim, 64);
    QCOMPARE(options->rotary.max_position_embeddings, 2048);
    QVERIFY(options->tie_word_embeddings && options->qkv_bias && options->mlp_bias);
    QCOMPARE(*read_opt_padding({{"model_type", "opt"}}, "config.json"), TokenId{1});
    QCOMPARE(*read_opt_padding({{"pad_token_id", nullptr}}, "config.json"), TokenId{-1});
  }

  void refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"model_type": "llama"})", "model_type");
    add(R"({"do_layer_norm_before": false})", "do_layer_norm_before");
    add(R"({"_remove_final_layer_norm": true})", "_remove_final_layer_norm");
    add(R"({"layer_norm_elementwise_affine": false})", "layer_norm_elementwise_affine");
    add(R"({"layerdrop": 0.1})", "layerdrop");
    add(R"({"word_embed_proj_dim": 8})", "word_embed_proj_dim");
    add(R"({"num_attention_heads": 3})", "num_attention_heads");
    add(R"({"activation_function": "tan"})", "activation_function");
    add(R"({"max_position_embeddings": 0})", "max_position_embeddings");
  }
  void refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read_opt_options(opt(Json::parse(patch.toStdString())), "config.json");
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void goes_on_from_a_cache() {
    const auto model = built(opt_family, opt());
    const torch::NoGradGuard no_grad;
    const std::vector<std::int64_t> ids{3, 8, 21, 5, 9, 30, 2, 2, 17, 4};
    const Tensor whole = states(*model, ids);
    QVERIFY(at::allclose(states_token_by_token(*model, ids), whole, 1e-4, 1e-5));
  }

  void rows_together_as_alone() {
    const auto model = built(opt_family, opt());
    const Tensor both = states(*model, {3, 8, 21, 5, 9, 30, 2}, {4, 3});
    QVERIFY(at::allclose(both.slice(0, 0, 4), states(*model, {3, 8, 21, 5}), 1e-4, 1e-5));
    QVERIFY(at::allclose(both.slice(0, 4), states(*model, {9, 30, 2}), 1e-4, 1e-5));
  }

  void no_more_tokens_than_places() {
    const auto model = built(opt_family, opt());
    QVERIFY_THROWS_EXCEPTION(c10::Error, states(*model, std::vector<std::int64_t>(13, 5)));
  }
};

QTEST_GUILESS_MAIN(TestOpt)
#include "test_opt.moc"
