// SPDX-License-Identifier: GPL-3.0-or-later
// What layers of a decoder make of a token's place, where that is not the usual: SmolLM3's layers
// that know none, by order alone, and Ministral 3's queries that grow, against the same weights
// without; how configurations say which, and what they may not say.
#include "engine/models/decoder_positions.h"
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

constexpr std::int64_t kLength = 6;  // from which queries grow

Json smollm3(std::int64_t layers, const Json& patch) {
  Json config = {{"model_type", "smollm3"},     {"vocab_size", 40},
                 {"hidden_size", 16},           {"intermediate_size", 24},
                 {"num_hidden_layers", layers}, {"num_attention_heads", 2},
                 {"num_key_value_heads", 1}};
  config.merge_patch(patch);
  return config;
}

Result<DecoderOptions> read(std::int64_t layers, const Json& patch) {
  return read_decoder_options(smollm3(layers, patch), "config.json");
}

/// A layer that knows no positions is an o, of those that slide an s follows.
std::string layers_of(std::int64_t layers, const Json& patch) {
  const auto options = read(layers, patch);
  if (!options) return options.error().sentence();
  std::string text;
  for (std::size_t i = 0; i < options->unturned.size(); ++i)
    text +=
        std::string(options->unturned[i] ? "o" : ".") + (options->sliding_windows.at(i) ? "s" : "");
  return text;
}

/// Mistral 3 with a Ministral 3 decoder.
std::shared_ptr<Model> ministral(double beta) {
  return built(mistral3_family, {{"model_type", "mistral3"},
                                 {"image_token_index", 39},
                                 {"text_config",
                                  {{"model_type", "ministral3"},
                                   {"vocab_size", 40},
                                   {"hidden_size", 16},
                                   {"intermediate_size", 24},
                                   {"num_hidden_layers", 2},
                                   {"num_attention_heads", 2},
                                   {"num_key_value_heads", 1},
                                   {"head_dim", 8},
                                   {"rope_parameters",
                                    {{"rope_type", "yarn"},
                                     {"factor", 4.0},
                                     {"original_max_position_embeddings", kLength},
                                     {"llama_4_scaling_beta", beta}}}}},
                                 {"vision_config",
                                  {{"hidden_size", 16},
                                   {"intermediate_size", 20},
                                   {"num_hidden_layers", 1},
                                   {"num_attention_heads", 2},
                                   {"image_size", 16},
                                   {"patch_size", 2}}}});
}

}  // namespace

class TestDecoderPositions : public QObject {
  Q_OBJECT

 private slots:
  void layers_that_know_no_positions() {
    QCOMPARE(layers_of(8, Json::object()), std::string("...o...o"));
    QCOMPARE(layers_of(5, {{"no_rope_layer_interval", 2}}), std::string(".o.o."));
    QCOMPARE(layers_of(2, {{"no_rope_layer_interval", 1}, {"no_rope_layers", nullptr}}),
             std::string("oo"));
    QCOMPARE(layers_of(3, {{"no_rope_layers", {0, 1, 1}}}), std::string("o.."));
    QCOMPARE(layers_of(3, {{"no_rope_layers", {1, 0, 1, 0, 1}}}), std::string(".o."));
    QCOMPARE(layers_of(4, {{"sliding_window", 7}}), std::string("...o"));
    QCOMPARE(layers_of(4, {{"sliding_window", 7}, {"use_sliding_window", true}}),
             std::string("...os"));
    QCOMPARE(layers_of(4, {{"use_sliding_window", true}}), std::string("...o"));
    QCOMPARE(layers_of(2, {{"sliding_window", 7},
                           {"layer_types", {"sliding_attention", "full_attention"}}}),
             std::string(".s."));
    QCOMPARE(read(4, {{"sliding_window", 7}, {"use_sliding_window", true}})->sliding_windows[3],
             std::optional<std::int64_t>(7));
  }

  void refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"no_rope_layers": [1]})", "no_rope_layers");
    add(R"({"no_rope_layers": [1, 2]})", "no_rope_layers");
    add(R"({"no_rope_layers": [1, "0"]})", "no_rope_layers");
    add(R"({"no_rope_layers": "all"})", "no_rope_layers");
    add(R"({"no_rope_layer_interval": 0})", "no_rope_layer_interval");
    add(R"({"no_rope_layer_interval": 2.5})", "no_rope_layer_interval");
    add(R"({"layer_types": ["full_attention"]})", "layer_types");
    add(R"({"layer_types": ["full_attention", "round_attention"]})", "layer_types");
    add(R"({"layer_types": ["full_attention", "sliding_attention"]})", "sliding_window");
    add(R"({"use_sliding_window": true, "sliding_window": 0, "no_rope_layer_interval": 1})",
        "sliding_window");
    add(R"({"use_sliding_window": 1})", "use_sliding_window");
  }
  void refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(2, Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  /// To the last token of a layer without positions, those before it are a set.
  void without_positions_order_is_nothing() {
    for (const bool knows : {false, true}) {
      const auto model = built(smollm3_family, smollm3(1, {{"no_rope_layers", {knows ? 1 : 0}}}));
      const Tensor one = states(*model, {3, 5, 9, 11}).select(0, 3),
                   other = states(*model, {9, 3, 5, 11}).select(0, 3);
      QCOMPARE(at::allclose(one, other, 1e-4, 1e-5), !knows);
    }
    // Beside one that knows them, they are known.
    const auto model = built(smollm3_family, smollm3(2, {{"no_rope_layers", {1, 0}}}));
    QVERIFY(!at::allclose(states(*model, {3, 5, 9, 11}).select(0, 3),
                          states(*model, {9, 3, 5, 11}).select(0, 3), 1e-4, 1e-5));
  }

  void queries_grow_with_their_row() {
    const auto grows = ministral(0.7), stays = ministral(0);
    const std::vector<std::int64_t> ids{3, 8, 21, 5, 9, 30, 2, 2, 17, 4, 33, 12, 6, 1, 28};
    const Tensor one = states(*grows, ids), other = states(*stays, ids);
    QVERIFY(at::allclose(one.slice(0, 0, kLength), other.slice(0, 0, kLength), 1e-5, 1e-6));
    for (std::int64_t token = kLength; token < one.size(0); ++token)
      QVERIFY(!at::allclose(one.select(0, token), other.select(0, token), 1e-4, 1e-5));
    // Up to that length nothing is multiplied.
    const std::vector<std::int64_t> some(ids.begin(), ids.begin() + kLength);
    QVERIFY(states(*grows, some).equal(states(*stays, some)));
    // The second row counts from 0, whatever stands before it.
    const Tensor rows = states(*grows, ids, {6, 9});
    const std::vector<std::int64_t> second(ids.begin() + 6, ids.end());
    QVERIFY(at::allclose(rows.slice(0, 6), states(*grows, second), 1e-4, 1e-5));
  }

  /// A cache goes on from where it is.
  void queries_grow_token_by_token() {
    const auto model = ministral(0.7);
    const torch::NoGradGuard no_grad;
    const std::vector<std::int64_t> ids{3, 8, 21, 5, 9, 30, 2, 2, 17, 4, 33, 12, 6, 1, 28};
    const Tensor whole = states(*model, ids);
    QVERIFY(at::allclose(states_token_by_token(*model, ids), whole, 1e-4, 1e-5));
  }
};

QTEST_GUILESS_MAIN(TestDecoderPositions)
#include "test_decoder_positions.moc"
