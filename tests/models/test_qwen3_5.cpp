// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Qwen3.5: which layers carry a state, refusals of settings that do not
// hold together, that nothing of a row reaches the next one in a batch, and what fresh weights
// begin with.
#include "engine/models/delta_net.h"
#include "engine/models/draw_weights.h"
#include "engine/models/qwen_vl/qwen_vl.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

std::string layers_of(const Json& config, std::int64_t layers) {
  const auto options = read_delta_options(config, "config.json", layers);
  if (!options.ok()) return options.error().sentence();
  std::string text;
  for (std::int64_t i = 0; i < layers; ++i)
    text += *options && (*options)->linear[static_cast<std::size_t>(i)] ? 'x' : '.';
  return text;
}

/// `experts`: with a mixture of them in every layer, all of which each token goes to.
Plan small_plan(bool experts = false) {
  Json config = Json::parse(R"({"model_type": "qwen3_5", "image_token_id": 7,
    "text_config": {"vocab_size": 40, "hidden_size": 24, "intermediate_size": 32,
      "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
      "linear_num_key_heads": 1, "linear_num_value_heads": 2, "linear_key_head_dim": 4,
      "linear_value_head_dim": 6, "full_attention_interval": 2,
      "rope_parameters": {"partial_rotary_factor": 0.5, "mrope_section": [2, 1, 1]}},
    "vision_config": {"model_type": "qwen3_5", "depth": 1, "hidden_size": 16,
      "out_hidden_size": 24, "intermediate_size": 20, "num_heads": 2, "patch_size": 2,
      "num_position_embeddings": 9}})");
  if (!experts) return qwen3_5_family.read(config, "nowhere").take();
  config["text_config"].update({{"num_experts", 3},
                                {"num_experts_per_tok", 3},
                                {"moe_intermediate_size", 16},
                                {"shared_expert_intermediate_size", 20}});
  return qwen3_5_moe_family.read(config, "nowhere").take();
}

}  // namespace

class TestQwen35 : public QObject {
  Q_OBJECT

 private slots:
  void layers_that_carry_a_state() {
    QCOMPARE(layers_of(Json::object(), 8), "xxx.xxx.");
    QCOMPARE(layers_of({{"full_attention_interval", 2}}, 3), "x.x");
    QCOMPARE(layers_of({{"full_attention_interval", 1}}, 2), "..");
    QCOMPARE(layers_of({{"layer_types", {"full_attention", "linear_attention"}}}, 2), ".x");
    QCOMPARE(layers_of({{"layer_types", {"mamba", "attention"}}}, 2), "x.");
    QCOMPARE(layers_of({{"layer_types", nullptr}}, 4), "xxx.");
  }

  void refusals_data() {
    QTest::addColumn<QString>("config");
    QTest::addColumn<QString>("field");
    QTest::newRow("interval") << R"({"full_attention_interval": 0})"
                              << "full_attention_interval";
    QTest::newRow("type") << R"({"layer_types": ["sliding_attention", 1]})"
                          << "layer_types";
    QTest::newRow("count") << R"({"layer_types": ["full_attention"]})"
                           << "layer_types";
    QTest::newRow("list") << R"({"layer_types": "full_attention"})"
                          << "layer_types";
    QTest::newRow("heads") << R"({"linear_num_key_heads": 3})"
                           << "linear_num_value_heads";
    QTest::newRow("none") << R"({"linear_num_key_heads": 0})"
                          << "linear_num_key_heads";
    QTest::newRow("size") << R"({"linear_key_head_dim": 99999})"
                          << "linear_key_head_dim";
    QTest::newRow("kernel") << R"({"linear_conv_kernel_dim": 0})"
                            << "linear_conv_kernel_dim";
  }
  void refusals() {
    QFETCH(QString, config);
    QFETCH(QString, field);
    const auto options = read_delta_options(Json::parse(config.toStdString()), "text_config", 2);
    QVERIFY(!options.ok());
    QCOMPARE(options.error().where, "text_config: " + field.toStdString());
  }

  void rows_do_not_meet_data() {
    QTest::addColumn<bool>("experts");
    QTest::newRow("one MLP") << false;
    QTest::newRow("experts") << true;
  }
  void rows_do_not_meet() {
    QFETCH(bool, experts);
    const Plan plan = small_plan(experts);
    const auto model = plan.made(torch::TensorOptions());
    const torch::NoGradGuard no_grad;
    QVERIFY(draw_weights(*model, plan, 3, {}).ok());
    for (Tensor& tensor : model->parameters()) tensor.mul_(6);
    const std::vector<std::int64_t> lengths{5, 9, 2};
    ModelInput input;
    input.input_ids = torch::randint(8, 40, {16}, torch::kInt64);
    input.lengths = lengths;
    const Tensor together = states_before_head(*model, input);
    std::int64_t start = 0;
    for (const std::int64_t length : lengths) {
      ModelInput alone;
      alone.input_ids = input.input_ids.slice(0, start, start + length);
      alone.lengths = {length};
      const Tensor wanted = states_before_head(*model, alone);
      QVERIFY(at::allclose(together.slice(0, start, start + length), wanted, 1e-4, 1e-5));
      start += length;
    }
  }

  void fresh_weights() {
    const Plan plan = small_plan();
    const auto model = plan.made(torch::TensorOptions());
    QVERIFY(draw_weights(*model, plan, 3, {}).ok());
    const auto named = model->named_parameters();
    const std::string layer = "model.language_model.layers.0.linear_attn.";
    QVERIFY(at::equal(named[layer + "dt_bias"], torch::ones({2})));
    QVERIFY(at::equal(named[layer + "norm.weight"], torch::ones({6})));
    const Tensor rate = named[layer + "A_log"].exp();
    QVERIFY((rate > 0.009).all().item<bool>() && (rate < 16.01).all().item<bool>());
    QVERIFY(rate[0].item<double>() != rate[1].item<double>());
    QVERIFY(at::equal(named["model.language_model.norm.weight"], torch::zeros({24})));
  }
};

QTEST_GUILESS_MAIN(TestQwen35)
#include "test_qwen3_5.moc"
