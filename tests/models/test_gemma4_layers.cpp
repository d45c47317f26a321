// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Gemma 4's decoder: how configurations say which layers see whose keys
// and what their heads are, in the older spelling and in today's, and what they may not say; layers
// made again and decoding from a cache against the whole; a row of the layers' embeddings that
// learns nothing; the head's cap in each loss against autograd.
#include <torch/csrc/autograd/autograd.h>

#include "engine/models/families.h"
#include "engine/objectives/head_loss.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

/// The last two of four layers see the keys and values of the first two.
Json small(const Json& patch = Json::object()) {
  Json config = {{"model_type", "gemma4_text"},
                 {"vocab_size", 40},
                 {"hidden_size", 16},
                 {"intermediate_size", 24},
                 {"num_hidden_layers", 4},
                 {"num_attention_heads", 2},
                 {"num_key_value_heads", 1},
                 {"head_dim", 8},
                 {"global_head_dim", 16},
                 {"sliding_window", 3},
                 {"num_kv_shared_layers", 2},
                 {"use_double_wide_mlp", true},
                 {"hidden_size_per_layer_input", 6},
                 {"vocab_size_per_layer_input", 40},
                 {"final_logit_softcapping", 5.0},
                 {"layer_types",
                  {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}}};
  config.merge_patch(patch);
  return config;
}

const Json kExperts = {{"enable_moe_block", true},
                       {"num_experts", 4},
                       {"top_k_experts", 2},
                       {"moe_intermediate_size", 8},
                       {"hidden_size_per_layer_input", 0},
                       {"num_kv_shared_layers", 0},
                       {"attention_k_eq_v", true},
                       {"num_global_key_value_heads", 2}};

Result<DecoderOptions> read(const Json& patch) {
  return read_decoder_options(small(patch), "config.json");
}

std::shared_ptr<Model> built(const Json& patch = Json::object()) {
  const auto plan = gemma4_text_family.read(small(patch), "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  for (auto& item : model->named_parameters()) {
    item.value().normal_(0, 0.3);
    if (item.key().ends_with("layer_scalar") || item.key().find("norm") != std::string::npos)
      item.value().add_(1);
  }
  return model;
}

ModelInput two_rows() {
  ModelInput input;
  input.input_ids = torch::tensor({3, 9, 12, 5, 0, 17, 30, 9, 8, 21, 4}, torch::kInt64);
  input.lengths = {7, 4};
  return input;
}

struct Slopes {
  double loss = 0;
  std::vector<Tensor> gradients;
};

Slopes slopes(Model& model, bool again) {
  for (Tensor& tensor : model.parameters()) {
    tensor.requires_grad_(true);
    tensor.mutable_grad().reset();
  }
  model.set_gradient_checkpointing(again);
  const ModelInput input = two_rows();
  const Tensor states = states_before_head(model, input);
  const Tensor target = (input.input_ids + 1).remainder(40);
  const Tensor loss = chunked_cross_entropy(states, model.head(), target);
  loss.backward();
  Slopes made{loss.item<double>(), {}};
  for (const Tensor& tensor : model.parameters())
    made.gradients.push_back(tensor.grad().defined() ? tensor.grad().clone()
                                                     : torch::zeros_like(tensor));
  return made;
}

double most_apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace

class TestGemma4Layers : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void whose_keys_are_seen() {
    const auto options = read(Json::object());
    QVERIFY(options.ok());
    QCOMPARE(options->gemma4->sources, (std::vector<std::int64_t>{0, 1, 0, 1}));
    QVERIFY(options->gemma4->is_seen(0) && options->gemma4->is_seen(1));
    QVERIFY(!options->gemma4->is_seen(3));
    const auto none = read({{"num_kv_shared_layers", 0}});
    QCOMPARE(none->gemma4->sources, (std::vector<std::int64_t>{0, 1, 2, 3}));
    // Every sixth layer is whole where nothing says which, and the last one always.
    const auto many =
        read({{"num_hidden_layers", 8}, {"layer_types", nullptr}, {"num_kv_shared_layers", 1}});
    QCOMPARE(many->gemma4->sources.back(), std::int64_t{5});
    QVERIFY(!many->sliding_windows[5] && !many->sliding_windows[7] && many->sliding_windows[6]);
  }

  void heads_in_either_spelling() {
    const Json values = {{"attention_k_eq_v", true}, {"num_global_key_value_heads", 2}};
    const auto old = read(values);
    QCOMPARE(old->gemma4->global_head_dim, std::int64_t{16});
    QCOMPARE(old->gemma4->global_key_value_heads, std::int64_t{2});
    Json now = values;
    now["global_head_dim"] = 99;  // nobody looks at it
    now["per_layer_config"] = {{"01", {{"head_dim", 16}, {"num_key_value_heads", 2}}},
                               {"3", {{"head_dim", 16}, {"num_key_value_heads", 2}}}};
    const auto today = read(now);
    QCOMPARE(today->gemma4->global_head_dim, std::int64_t{16});
    QCOMPARE(today->gemma4->global_key_value_heads, std::int64_t{2});
    QCOMPARE(today->rotary.dimension, std::int64_t{16});
    QCOMPARE(today->rotary.angles, std::int64_t{2});
    QCOMPARE(today->local_rotary.dimension, std::int64_t{8});
    // Without k = v the older spelling's number of heads says nothing; no override: all alike.
    QCOMPARE(read({{"num_global_key_value_heads", 2}})->gemma4->global_key_value_heads,
             std::int64_t{1});
    QCOMPARE(read({{"per_layer_config", Json::object()}})->gemma4->global_head_dim,
             std::int64_t{8});
  }

  void refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"num_kv_shared_layers": 4})", "num_kv_shared_layers");
    add(R"({"num_kv_shared_layers": 3})", "num_kv_shared_layers");
    add(R"({"per_layer_config": {"4": {}}})", "per_layer_config.4");
    add(R"({"per_layer_config": {"x": {}}})", "per_layer_config.x");
    add(R"({"per_layer_config": {"1": {"head_dim": 16}}})", "per_layer_config");
    add(R"({"per_layer_config": {"0": {"head_dim": 16}}})", "per_layer_config");
    add(R"({"per_layer_config": {"1": {"intermediate_size": 16}}})",
        "per_layer_config.1.intermediate_size");
    add(R"({"per_layer_config": {"1": {"skip": ["mlp"]}}})", "per_layer_config.1.skip");
    add(R"({"global_head_dim": 1})", "head_dim");
    add(R"({"attention_k_eq_v": true, "num_global_key_value_heads": 3})", "num_key_value_heads");
    add(R"({"enable_moe_block": true})", "num_experts");
    add(R"({"enable_moe_block": true, "num_experts": 2, "top_k_experts": 3})", "top_k_experts");
    add(R"({"use_bidirectional_attention": "all"})", "use_bidirectional_attention");
    add(R"({"use_bidirectional_attention": "some"})", "use_bidirectional_attention");
    add(R"({"final_logit_softcapping": 0})", "final_logit_softcapping");
    add(R"({"vocab_size_per_layer_input": 39})", "vocab_size_per_layer_input");
    add(R"({"pad_token_id": 40})", "pad_token_id");
    add(R"({"rope_parameters": {"full_attention": {}}})", "rope_parameters.sliding_attention");
    add(R"({"rope_parameters": {"sliding_attention": {}, "full_attention":
        {"rope_type": "proportional", "partial_rotary_factor": 2}}})",
        "partial_rotary_factor");
  }
  void refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QVERIFY2(options.error().where.find(field.toStdString()) != std::string::npos,
             options.error().where.c_str());
  }

  void layers_made_again_come_to_the_same_data() {
    QTest::addColumn<bool>("experts");
    QTest::newRow("shared keys, embeddings of the layers") << false;
    QTest::newRow("experts") << true;
  }
  void layers_made_again_come_to_the_same() {
    QFETCH(bool, experts);
    const auto model = built(experts ? kExperts : Json::object());
    const Slopes kept = slopes(*model, false), again = slopes(*model, true);
    QVERIFY(std::abs(kept.loss - again.loss) < 1e-5 * kept.loss);
    for (std::size_t i = 0; i < kept.gradients.size(); ++i) {
      const double most = kept.gradients[i].abs().max().item<double>();
      QVERIFY(most_apart(kept.gradients[i], again.gradients[i]) <= 1e-5 * most + 1e-6);
    }
  }

  void the_padding_learns_no_embedding_of_the_layers() {
    const auto model = built();
    slopes(*model, false);
    const auto found = model->named_parameters()["model.embed_tokens_per_layer.weight"].grad();
    QCOMPARE(found[0].abs().max().item<double>(), 0.0);  // id 0 is in the rows, and the padding
    QVERIFY(found[9].abs().max().item<double>() > 0);
  }

  void a_cache_goes_on_as_the_whole() {
    for (const bool experts : {false, true}) {
      const auto model = built(experts ? kExperts : Json::object());
      const torch::NoGradGuard no_grad;
      ModelInput input;
      input.input_ids = torch::tensor({3, 9, 12, 5, 17, 30, 9, 8, 21, 4}, torch::kInt64);
      input.lengths = {10};
      const Tensor whole = states_before_head(*model, input);
      KeyValueCache cache(4, 10);
      const std::vector<std::int64_t> parts{4, 1, 2, 1, 1, 1};
      std::int64_t begin = 0;
      for (const std::int64_t count : parts) {
        ModelInput part;
        part.input_ids = input.input_ids.slice(0, begin, begin + count);
        part.lengths = {count};
        const Tensor made = model->decode(model->embed(part), &cache);
        QVERIFY(most_apart(made, whole.slice(0, begin, begin + count)) < 1e-4);
        begin += count;
      }
    }
  }

  void the_cap_is_in_each_loss() {
    const auto model = built();
    Linear head = model->head();
    QCOMPARE(head->softcap, 5.0);
    torch::manual_seed(1);
    const Tensor hidden = torch::randn({6, 16}).mul_(4).requires_grad_(true);
    const Tensor target = torch::tensor({1, 5, 7, 0, 39, 8}, torch::kInt64);
    const Tensor logits = 5 * torch::tanh(at::matmul(hidden, head->weight.dense().t()) / 5);
    const Tensor each = at::log_softmax(logits, 1).gather(1, target.unsqueeze(1)).squeeze(1);
    QVERIFY(most_apart(head->forward(hidden), logits) < 1e-5);
    const Tensor wanted = torch::autograd::grad({-each.sum()}, {hidden})[0];
    const Tensor loss = chunked_cross_entropy(hidden, head, target);
    QVERIFY(std::abs(loss.item<double>() + each.sum().item<double>()) < 1e-3);
    QVERIFY(most_apart(torch::autograd::grad({loss}, {hidden})[0], wanted) < 1e-5);
    const TokenValues values = token_values(hidden, head, target, /*temperature=*/1);
    QVERIFY(most_apart(values.log_probs, each) < 1e-4);
    const Tensor slope = torch::autograd::grad({-values.log_probs.sum()}, {hidden})[0];
    QVERIFY(most_apart(slope, wanted) < 1e-5);
  }
};

QTEST_GUILESS_MAIN(TestGemma4Layers)
#include "test_gemma4_layers.moc"
