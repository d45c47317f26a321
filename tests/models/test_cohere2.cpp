// SPDX-License-Identifier: GPL-3.0-or-later
// Cohere 2's decoder: which layers slide and turn, what configurations may not say, a layer beside
// the same products by hand, a cache beside the whole row, and what a layer says that it keeps
// beside what the counting allocator saw.
#include <torch/csrc/autograd/autograd.h>

#include "engine/device/memory.h"
#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/nn/float_loops.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "tests/models/text_rows.h"

using namespace luthier;
using luthier::test::states;
using luthier::test::states_token_by_token;
using torch::Tensor;

namespace {

Json cohere(std::int64_t layers, const Json& patch = Json::object()) {
  Json config = {{"model_type", "cohere2"},     {"vocab_size", 40},
                 {"hidden_size", 16},           {"intermediate_size", 24},
                 {"num_hidden_layers", layers}, {"num_attention_heads", 2},
                 {"num_key_value_heads", 1}};
  config.merge_patch(patch);
  return config;
}

Result<DecoderOptions> read(std::int64_t layers, const Json& patch = Json::object()) {
  return read_decoder_options(cohere(layers, patch), "config.json");
}

/// Of each layer an s where it slides, and a t where it turns.
std::string layers_of(std::int64_t layers, const Json& patch) {
  const auto options = read(layers, patch);
  if (!options) return options.error().sentence();
  std::string text;
  for (std::int64_t i = 0; i < layers; ++i) {
    if (options->sliding_windows.at(static_cast<std::size_t>(i))) text += "s";
    text += options->turns(i) ? "t." : ".";
  }
  return text;
}

}  // namespace

class TestCohere2 : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  void layers_that_slide_turn() {
    QCOMPARE(layers_of(5, Json::object()), std::string("st.st.st..st."));
    QCOMPARE(layers_of(3, {{"sliding_window_pattern", 2}}), std::string("st..st."));
    QCOMPARE(layers_of(2, {{"sliding_window_pattern", 1}}), std::string(".."));
    QCOMPARE(layers_of(2, {{"sliding_window_pattern", 2},
                           {"layer_types", {"full_attention", "sliding_attention"}}}),
             std::string(".st."));
  }

  void what_a_file_leaves_out() {
    const auto options = read(5);
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->sliding_windows.at(0), std::optional<std::int64_t>(4096));
    QCOMPARE(options->logit_scale, 0.0625);
    QCOMPARE(options->rms_norm_eps, 1e-5);
    QVERIFY(options->parallel && options->neighbours_turn && options->tie_word_embeddings);
    QVERIFY(!options->qkv_bias && !options->o_bias && !options->mlp_bias);
    QCOMPARE(read(1, {{"layer_norm_eps", 0.25}, {"rms_norm_eps", 0.5}})->rms_norm_eps, 0.25);
    QCOMPARE(read(1, {{"num_key_value_heads", nullptr}})->num_key_value_heads, 2);
  }

  void refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"sliding_window": 0})", "sliding_window");
    add(R"({"sliding_window": "4"})", "sliding_window");
    add(R"({"sliding_window_pattern": 0})", "sliding_window_pattern");
    add(R"({"layer_types": ["full_attention"]})", "layer_types");
    add(R"({"layer_types": ["full_attention", "round_attention"]})", "layer_types");
    add(R"({"logit_scale": 0})", "logit_scale");
    add(R"({"logit_scale": "all"})", "logit_scale");
    add(R"({"layer_norm_eps": "small"})", "layer_norm_eps");
  }
  void refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(2, Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }
  void no_window_is_refused() {
    Json config = cohere(2);
    config["sliding_window"] = nullptr;  // a patch of null would take it away
    const auto options = read_decoder_options(config, "config.json");
    QVERIFY(!options.ok());
    QCOMPARE(options.error().where, std::string("config.json: sliding_window"));
  }

  /// Of rows of one token attention gives the value.
  void both_halves_read_one_norm() {
    const torch::NoGradGuard no_grad;
    const auto model =
        test::built(cohere2_family, cohere(1, {{"logit_scale", 0.3}, {"layer_norm_eps", 1e-3}}));
    const auto weights = model->named_parameters();
    const auto weight = [&](const std::string& name) {
      return weights["model." + name + ".weight"];
    };
    const auto norm = [&](const Tensor& x, const std::string& name) {
      const Tensor even = x - x.mean(1, true);
      return even / (even.square().mean(1, true) + 1e-3).sqrt() * weight(name);
    };
    const std::vector<std::int64_t> ids{3, 17, 39};
    const std::string layer = "layers.0.";
    const Tensor x = weight("embed_tokens").index_select(0, torch::tensor(ids, torch::kInt64));
    const Tensor normal = norm(x, layer + "input_layernorm");
    const auto product = [&](const Tensor& of, const std::string& name) {
      return of.mm(weight(layer + name).t());
    };
    const Tensor value = product(normal, "self_attn.v_proj");
    const Tensor attended = product(at::cat({value, value}, 1), "self_attn.o_proj");
    const Tensor fed =
        product(at::silu(product(normal, "mlp.gate_proj")) * product(normal, "mlp.up_proj"),
                "mlp.down_proj");
    const Tensor expected = 0.3 * norm(x + attended + fed, "norm");
    QVERIFY(at::allclose(states(*model, ids, {1, 1, 1}), expected, 1e-4, 1e-5));
    QVERIFY(!weights.contains("model.norm.bias"));
  }

  /// To the last token of a full layer, those before it are a set.
  void only_sliding_layers_know_order() {
    for (const char* type : {"full_attention", "sliding_attention"}) {
      const auto model = test::built(cohere2_family, cohere(1, {{"layer_types", {type}}}));
      const Tensor one = states(*model, {3, 5, 9, 11}).select(0, 3),
                   other = states(*model, {9, 3, 5, 11}).select(0, 3);
      QCOMPARE(at::allclose(one, other, 1e-4, 1e-5), std::string(type) == "full_attention");
    }
  }

  void goes_on_from_a_cache() {
    const auto model = test::built(cohere2_family, cohere(4, {{"sliding_window", 3}}));
    const torch::NoGradGuard no_grad;
    const std::vector<std::int64_t> ids{3, 8, 21, 5, 9, 30, 2, 2, 17, 4};
    const Tensor whole = states(*model, ids);
    QVERIFY(at::allclose(states_token_by_token(*model, ids), whole, 1e-4, 1e-5));
  }

  void as_the_allocator_counts_data() {
    QTest::addColumn<bool>("slides");
    QTest::addColumn<bool>("some");
    QTest::newRow("sliding") << true << false;
    QTest::newRow("full") << false << false;
    QTest::newRow("full, some rows asked for") << false << true;
  }
  void as_the_allocator_counts() {
    QFETCH(bool, slides);
    QFETCH(bool, some);
    // No tensor is of a size that the pool of large blocks (device/block_pool.h) serves.
    const auto options =
        read(1, {{"hidden_size", 128},
                 {"intermediate_size", 224},
                 {"num_attention_heads", 2},
                 {"num_key_value_heads", 2},
                 {"sliding_window", 500},
                 {"layer_types", {slides ? "sliding_attention" : "full_attention"}}});
    const auto tensors = torch::TensorOptions().dtype(torch::kFloat32);
    DecoderLayer layer(*options, 0, tensors);
    StepTerms terms;
    terms.own_loops = floats::available();
    torch::manual_seed(3);
    for (auto& each : layer->named_modules()) {
      if (const auto* module = dynamic_cast<const ParameterModule*>(each.value().get()))
        terms.trained[module] = TrainedShare{true, true, 1};
    }
    for (Tensor& each : layer->parameters()) {
      const torch::NoGradGuard no_grad;
      each.normal_(0, 0.1);
      each.set_requires_grad(true);
      each.mutable_grad() = torch::zeros_like(each);
    }
    TokenSequence sequence;
    sequence.rows = RowLayout({150, 150});
    const std::int64_t tokens = sequence.rows.tokens(), asked = some ? 60 : tokens;
    if (some) sequence.own = torch::arange(0, tokens, 5, torch::kInt64);
    const RotaryTable table =
        slides ? RotaryEmbedding(options->rotary)
                     .table(sequence.rows.positions(torch::kCPU), torch::kFloat32)
               : RotaryTable();
    const LayerCost cost =
        layer->cost(terms, rows_shape({150, 150}, true), tokens, asked, /*flows=*/true);

    const Tensor x =
        torch::randn({tokens, options->hidden_size}, torch::kFloat32).set_requires_grad(true);
    // What libraries keep for themselves, and masks.
    layer(x, sequence, table, nullptr).sum().backward();
    x.mutable_grad() = torch::zeros_like(x);
    const std::int64_t empty = memory_use(torch::kCPU).allocated;
    Tensor y = layer(x, sequence, table, nullptr);
    const std::int64_t result = terms.block(y.numel()), input = terms.block(x.numel());
    const std::int64_t kept = memory_use(torch::kCPU).allocated - empty - result;
    const Tensor dy = torch::ones_like(y);
    reset_memory_peak(torch::kCPU);
    torch::autograd::backward({y}, {dy});
    const std::int64_t seen = memory_use(torch::kCPU).peak - empty - result;
    // x, which the norm keeps, stood there before.
    const std::int64_t said_kept = cost.kept() - input,
                       said = std::max(cost.kept() + cost.mlp_work,
                                       cost.attention + cost.attention_work) -
                              input;
    const auto off = [](std::int64_t is, std::int64_t should) {
      return static_cast<double>(is) / static_cast<double>(should) - 1;
    };
    QVERIFY2(std::abs(off(said_kept, kept)) < 0.05 && std::abs(off(said, seen)) < 0.05,
             qPrintable(QString("kept: said %1, seen %2; at most: said %3, seen %4")
                            .arg(said_kept)
                            .arg(kept)
                            .arg(said)
                            .arg(seen)));
  }
};

QTEST_GUILESS_MAIN(TestCohere2)
#include "test_cohere2.moc"
