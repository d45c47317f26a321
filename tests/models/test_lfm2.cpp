// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of LFM2: which layers convolve, widths that follow from others, refusals
// of settings that do not hold together, the convolution beside its formula, that nothing of a row
// reaches the next one in a batch, a row that goes on from the cache, and what a layer says it
// keeps beside what the counting allocator saw.
#include <torch/csrc/autograd/autograd.h>

#include "engine/device/memory.h"
#include "engine/models/cost.h"
#include "engine/models/decoder.h"
#include "engine/models/families.h"
#include "engine/models/stored_head.h"
#include "engine/nn/key_value_cache.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

using Lengths = std::vector<std::int64_t>;

const Json kText = {
    {"model_type", "lfm2"},     {"vocab_size", 40},
    {"hidden_size", 24},        {"intermediate_size", 30},
    {"num_hidden_layers", 3},   {"num_attention_heads", 2},
    {"num_key_value_heads", 1}, {"layer_types", {"conv", "full_attention", "conv"}}};

Json with(const Json& patch) {
  Json whole = kText;
  whole.merge_patch(patch);
  return whole;
}

/// 'x': the layer convolves.
std::string layers_of(const Json& patch) {
  const auto options = read_decoder_options(with(patch), "config.json");
  if (!options.ok()) return options.error().sentence();
  if (!options->convolutions) return "...";
  std::string text;
  for (const bool each : options->convolutions->layers) text += each ? 'x' : '.';
  return text;
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  const auto plan = lfm2_family.read(with(patch), "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  for (auto& parameter : model->parameters()) parameter.normal_(0, 0.4);
  return model;
}

double off(std::int64_t said, std::int64_t seen) {
  return static_cast<double>(said) / static_cast<double>(seen) - 1;
}

}  // namespace

class TestLfm2 : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  void layers_that_convolve() {
    QCOMPARE(layers_of(Json::object()), std::string("x.x"));
    QCOMPARE(layers_of({{"layer_types", nullptr}}), std::string("..."));
    QCOMPARE(layers_of({{"layer_types", nullptr}, {"full_attn_idxs", {2, 0, 7, -1}}}),
             std::string(".x."));
    QCOMPARE(layers_of({{"layer_types", nullptr}, {"full_attn_idxs", Json::array()}}),
             std::string("xxx"));
    // What layer_types says holds.
    QCOMPARE(layers_of({{"full_attn_idxs", {0}}}), std::string("x.x"));
  }

  void widths_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<qint64>("width");
    const auto row = [](const char* patch, qint64 width) {
      QTest::newRow(patch) << patch << width;
    };
    row("{}", 256);
    row(R"({"block_multiple_of": 8})", 24);
    row(R"({"block_multiple_of": 8, "block_ff_dim": 50})", 40);
    row(R"({"block_multiple_of": 1, "block_ffn_dim_multiplier": 1.3})", 26);
    row(R"({"block_multiple_of": 1, "intermediate_size": 50})", 33);
    row(R"({"block_ffn_dim_multiplier": null})", 20);
    row(R"({"block_auto_adjust_ff_dim": false})", 30);
  }
  void widths() {
    QFETCH(QString, patch);
    QFETCH(qint64, width);
    // merge_patch would take a null for the absence of its key.
    Json whole = kText;
    whole.update(Json::parse(patch.toStdString()));
    const auto options = read_decoder_options(whole, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(static_cast<qint64>(options->intermediate_size), width);
  }

  void what_the_file_leaves_out() {
    const auto options = read_decoder_options({{"model_type", "lfm2"}}, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->num_hidden_layers, 32);
    QCOMPARE(options->intermediate_size, 8192);
    QCOMPARE(options->head_dim, 80);
    QCOMPARE(options->rms_norm_eps, 1e-5);
    QCOMPARE(options->rotary.theta, 1e6);
    QVERIFY(options->tie_word_embeddings && options->qk_norm && !options->convolutions);
    // Of old files; and an activation of their own they never have.
    const auto others = read_decoder_options(
        with({{"tie_embedding", false}, {"tie_word_embeddings", true}, {"hidden_act", "gelu"}}),
        "config.json");
    QVERIFY2(others.ok(), others ? "" : others.error().sentence().c_str());
    QVERIFY(!others->tie_word_embeddings);
    QVERIFY(others->hidden_act == Activation::Silu);
  }

  void a_head_of_its_own_is_said_in_their_words() {
    Json config = with({{"tie_embedding", true}});
    untie(lfm2_family, config);
    QVERIFY(!read_decoder_options(config, "config.json")->tie_word_embeddings);
  }

  void refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto row = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    row(R"({"layer_types": ["conv", "full_attention", "sliding_attention"]})", "layer_types");
    row(R"({"layer_types": ["conv", "full_attention", 1]})", "layer_types");
    row(R"({"layer_types": ["conv"]})", "layer_types");
    row(R"({"layer_types": "conv"})", "layer_types");
    row(R"({"layer_types": null, "full_attn_idxs": 3})", "full_attn_idxs");
    row(R"({"layer_types": null, "full_attn_idxs": ["1"]})", "full_attn_idxs");
    row(R"({"conv_L_cache": 0})", "conv_L_cache");
    row(R"({"conv_L_cache": 99999})", "conv_L_cache");
    row(R"({"conv_bias": 1})", "conv_bias");
    row(R"({"norm_eps": "x"})", "norm_eps");
    row(R"({"block_multiple_of": 0})", "block_multiple_of");
    row(R"({"block_ffn_dim_multiplier": 0})", "block_ffn_dim_multiplier");
    row(R"({"block_ffn_dim_multiplier": 1e300})", "block_ffn_dim_multiplier");
    row(R"({"block_ffn_dim_multiplier": 1000, "intermediate_size": 4000000})", "intermediate_size");
    row(R"({"block_ffn_dim_multiplier": null, "intermediate_size": 1})", "intermediate_size");
    row(R"({"block_auto_adjust_ff_dim": "yes"})", "block_auto_adjust_ff_dim");
    row(R"({"block_ff_dim": -1})", "block_ff_dim");
    row(R"({"tie_embedding": 3})", "tie_embedding");
  }
  void refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    Json whole = kText;
    whole.update(Json::parse(patch.toStdString()));
    const auto options = read_decoder_options(whole, "config.json");
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void is_the_formula_data() {
    QTest::addColumn<int>("kernel");
    QTest::addColumn<bool>("bias");
    QTest::newRow("three tokens") << 3 << false;
    QTest::newRow("a bias") << 3 << true;
    QTest::newRow("four") << 4 << true;
    QTest::newRow("each by itself") << 1 << false;
  }
  void is_the_formula() {
    QFETCH(int, kernel);
    QFETCH(bool, bias);
    constexpr std::int64_t kHidden = 6;
    torch::manual_seed(3);
    ConvolutionOptions options;
    options.kernel = kernel, options.bias = bias;
    GatedConvolution layer(options, 0, kHidden, torch::TensorOptions());
    for (Tensor& each : layer->parameters()) {
      const torch::NoGradGuard no_grad;
      each.normal_(0, 0.7);
    }
    const auto named = layer->named_parameters();
    QCOMPARE(named.contains("conv.bias"), bias);
    const auto biased = [&](const Tensor& y, const char* name) {
      return bias ? y + named[name] : y;
    };
    const torch::NoGradGuard no_grad;
    const Lengths lengths{5, 1, 3};
    TokenSequence sequence;
    sequence.rows = RowLayout(lengths);
    const Tensor x = torch::randn({9, kHidden});
    const Tensor got = layer->forward(x, sequence, RotaryTable(), nullptr);
    std::int64_t start = 0;
    for (const std::int64_t length : lengths) {
      const Tensor own = x.slice(0, start, start + length);
      const auto made =
          biased(at::mm(own, named["in_proj.weight"].t()), "in_proj.bias").chunk(3, 1);
      const Tensor given = made[0] * made[2];
      for (std::int64_t token = 0; token < length; ++token) {
        Tensor sum = torch::zeros({kHidden});
        for (std::int64_t tap = 0; tap < kernel; ++tap) {
          const std::int64_t place = token - (kernel - 1) + tap;
          if (place >= 0) sum = sum + given[place] * named["conv.weight"].select(2, tap).squeeze(1);
        }
        const Tensor opened = (made[1][token] * biased(sum, "conv.bias")).unsqueeze(0);
        const Tensor wanted =
            biased(at::mm(opened, named["out_proj.weight"].t()), "out_proj.bias")[0];
        QVERIFY(at::allclose(got[start + token], wanted, 1e-4, 1e-5));
      }
      start += length;
    }
  }

  void names_are_transformers() {
    const auto model = build({{"conv_bias", true}, {"tie_word_embeddings", true}});
    const auto named = model->named_parameters();
    const std::string conv = "model.layers.0.conv.", attention = "model.layers.1.self_attn.";
    for (const std::string& name :
         {conv + "conv.weight", conv + "conv.bias", conv + "in_proj.bias", conv + "out_proj.weight",
          attention + "out_proj.weight", attention + "q_layernorm.weight",
          attention + "k_layernorm.weight", std::string("model.layers.1.operator_norm.weight"),
          std::string("model.layers.2.ffn_norm.weight"),
          std::string("model.layers.2.feed_forward.w1.weight"),
          std::string("model.layers.2.feed_forward.w2.weight"),
          std::string("model.layers.2.feed_forward.w3.weight"),
          std::string("model.embedding_norm.weight")})
      QVERIFY2(named.contains(name), name.c_str());
    QCOMPARE(lfm2_family.memory_name("embedding_norm.weight"),
             std::string("model.embedding_norm.weight"));
  }

  void rows_do_not_meet() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    ModelInput input;
    input.lengths = {5, 9, 2};
    input.input_ids = torch::randint(8, 40, {16}, torch::kInt64);
    const Tensor together = states_before_head(*model, input);
    std::int64_t start = 0;
    for (const std::int64_t length : input.lengths) {
      ModelInput alone;
      alone.input_ids = input.input_ids.slice(0, start, start + length);
      alone.lengths = {length};
      QVERIFY(at::allclose(together.slice(0, start, start + length),
                           states_before_head(*model, alone), 1e-4, 1e-5));
      start += length;
    }
  }

  /// From nothing, by one token, by a few, by fewer than a convolution looks back to.
  void rows_go_on_from_the_cache() {
    const auto model = build({{"conv_L_cache", 4}, {"conv_bias", true}});
    const torch::NoGradGuard no_grad;
    constexpr std::int64_t kTokens = 11;
    const Tensor ids = torch::randint(8, 40, {2, kTokens}, torch::kInt64);
    ModelInput whole;
    whole.input_ids = ids.flatten(), whole.lengths = {kTokens, kTokens};
    const Tensor wanted = states_before_head(*model, whole).view({2, kTokens, -1});
    KeyValueCache cache(3, kTokens);
    std::int64_t start = 0;
    for (const std::int64_t count : {2, 1, 5, 2, 1}) {
      ModelInput part;
      part.input_ids = ids.slice(1, start, start + count).flatten();
      part.lengths = {count, count};
      const Tensor got =
          model->causal()->decode(model->causal()->embed(part), &cache).view({2, count, -1});
      QVERIFY(at::allclose(got, wanted.slice(1, start, start + count), 1e-4, 1e-5));
      start += count;
    }
    QVERIFY(model->causal()->carries_states());
  }

  void as_the_allocator_counts_data() {
    QTest::addColumn<Lengths>("lengths");
    QTest::addColumn<int>("kernel");
    QTest::addColumn<bool>("first");
    const auto row = [](const char* name, const Lengths& lengths, int kernel = 3,
                        bool first = false) { QTest::newRow(name) << lengths << kernel << first; };
    row("one row", {300});
    row("rows of one length", {150, 150});
    row("rows of several lengths", {90, 110, 100});
    row("short rows", {20, 20, 20, 20, 20});
    row("a wide convolution", {40, 40, 40}, 9);
    row("nothing below it learns", {150, 150}, 3, true);
  }
  void as_the_allocator_counts() {
    QFETCH(Lengths, lengths);
    QFETCH(int, kernel);
    QFETCH(bool, first);
    // No tensor is of a size that the pool of large blocks (device/block_pool.h) serves.
    constexpr std::int64_t kHidden = 64;
    ConvolutionOptions options;
    options.kernel = kernel;
    GatedConvolution layer(options, 0, kHidden, torch::TensorOptions());
    StepTerms terms;
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
    sequence.rows = RowLayout(lengths);
    const std::int64_t tokens = sequence.rows.tokens();
    const auto cost = layer->cost(terms, rows_shape(lengths, true), tokens, tokens, !first);

    const Tensor x = torch::randn({tokens, kHidden}).set_requires_grad(!first);
    layer->forward(x, sequence, RotaryTable(), nullptr).sum().backward();
    if (!first) x.mutable_grad() = torch::zeros_like(x);
    const std::int64_t empty = memory_use(torch::kCPU).allocated;
    Tensor y = layer->forward(x, sequence, RotaryTable(), nullptr);
    const Tensor dy = torch::ones_like(y);
    const std::int64_t result = 2 * terms.block(y.numel());
    const std::int64_t kept = memory_use(torch::kCPU).allocated - empty - result;
    reset_memory_peak(torch::kCPU);
    torch::autograd::backward({y}, {dy});
    const std::int64_t seen = memory_use(torch::kCPU).peak - empty - result;
    // x, which the products keep, stood there before.
    const std::int64_t input = terms.block(x.numel());
    const double kept_off = off(cost.kept - input, kept),
                 work_off = off(cost.kept - input + cost.core.work, seen);
    QVERIFY2(std::abs(kept_off) < 0.02 && std::abs(work_off) < 0.02,
             qPrintable(QString("kept: said %1, seen %2, %3 %; at most: said %4, seen %5, %6 %")
                            .arg(cost.kept - input)
                            .arg(kept)
                            .arg(100 * kept_off)
                            .arg(cost.kept - input + cost.core.work)
                            .arg(seen)
                            .arg(100 * work_off)));
  }
};

QTEST_GUILESS_MAIN(TestLfm2)
#include "test_lfm2.moc"
