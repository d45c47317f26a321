// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Ovis 2: refusals of configurations and processors that do not hold
// together, what files leave out, how a picture is written, words and indicators beside the same
// arithmetic by hand, their gradients, and that shares made in parts are those made at once.
#include "engine/models/ovis2/ovis2.h"

#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/models/model_summary.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

const Json config = {{"model_type", "ovis2"},
                     {"image_token_id", 7},
                     {"visual_indicator_token_ids", {5, 9}},
                     {"hidden_size", 16},
                     {"vocab_size", 40},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1}}},
                     {"vision_config",
                      {{"hidden_size", 8},
                       {"intermediate_size", 12},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"image_size", 16},
                       {"patch_size", 4},
                       {"hidden_stride", 2},
                       {"vocab_size", 13},
                       {"num_visual_indicator_tokens", 3}}}};

Json with(const Json& patch) { return merged(config, patch); }

Result<Ovis2Options> read(const Json& patch) {
  return read_ovis2_options(with(patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  const auto plan = ovis2_family.read(with(patch), "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  for (auto& parameter : model->parameters()) parameter.normal_(0, 0.5);
  return model;
}

/// Two frames of four tokens, with indicators before, between and behind.
ModelInput two_frames() {
  ModelInput input;
  torch::manual_seed(3);
  input.pictures.push_back({2, {1, 1}});
  input.pixel_values = torch::rand({2, 3, 16, 16});
  input.input_ids = torch::tensor({1, 9, 7, 7, 7, 7, 5, 9, 7, 7, 7, 7, 5, 2}, torch::kInt64);
  input.lengths = {14};
  return input;
}

/// What the tokens of two_frames() are, from the tower's states and the weights.
Tensor embedded_by_hand(Model& model, const ModelInput& input, bool one) {
  const auto weights = model.named_parameters();
  const Tensor states = model.picture_tower()->tower(input);
  const Tensor logits = at::layer_norm(
      at::linear(states, weights["model.vision_tower.head_linear.weight"]), {10},
      weights["model.vision_tower.head_norm.weight"], weights["model.vision_tower.head_norm.bias"]);
  Tensor shares = logits.softmax(1);
  if (one) shares = at::one_hot(shares.argmax(1), 10) + (shares - shares.detach());
  const Tensor table = weights["model.visual_embeddings_table.weight"];
  const Tensor mixed = at::matmul(shares, table.slice(0, 0, 10));
  const Tensor text = weights["model.language_model.embed_tokens.weight"];
  // The first indicator, 5, takes the first row behind the words.
  std::vector<Tensor> rows{text[1],   table[11], mixed[0], mixed[1], mixed[2], mixed[3],  table[10],
                           table[11], mixed[4],  mixed[5], mixed[6], mixed[7], table[10], text[2]};
  return at::stack(rows);
}

fs::path tests_files() { return files_of(ovis2_family); }

Result<ImageTokens> tokens_in(const fs::path& folder) { return tokens_of(ovis2_family, folder); }

}  // namespace

class TestOvis2 : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(std::string(patch).substr(0, 60).c_str()) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": {"image_size": [16, 32]}})", "vision_config: image_size");
    add(R"({"vision_config": {"num_attention_heads": 3}})", "vision_config: num_attention_heads");
    add(R"({"vision_config": {"hidden_act": "softsign"}})", "vision_config: hidden_act");
    add(R"({"vision_config": {"qkv_bias": 1}})", "vision_config: qkv_bias");
    add(R"({"vision_config": {"rms_norm_eps": "1e-5"}})", "vision_config: rms_norm_eps");
    add(R"({"vision_config": {"hidden_stride": 0}})", "vision_config: hidden_stride");
    add(R"({"vision_config": {"hidden_stride": 3}})", "vision_config: hidden_stride");
    add(R"({"vision_config": {"vocab_size": 0}})", "vision_config: vocab_size");
    add(R"({"vision_config": {"num_visual_indicator_tokens": 13}})",
        "vision_config: num_visual_indicator_tokens");
    add(R"({"vision_config": {"num_visual_indicator_tokens": 1}})",
        "vision_config: num_visual_indicator_tokens");
    add(R"({"vision_config": {"tokenize_function": "gumbel_argmax"}})",
        "vision_config: tokenize_function");
    add(R"({"vision_config": {"tokenize_function": "argmax"}})",
        "vision_config: tokenize_function");
    add(R"({"vision_config": {"tokenize_function": 1}})", "vision_config: tokenize_function");
    add(R"({"text_config": {"model_type": "mixtral"}})", "text_config: model_type");
    add(R"({"visual_indicator_token_ids": 5})", "visual_indicator_token_ids");
    add(R"({"visual_indicator_token_ids": ["5"]})", "visual_indicator_token_ids");
    add(R"({"visual_indicator_token_ids": [5, 40]})", "visual_indicator_token_ids");
    add(R"({"visual_indicator_token_ids": [-1]})", "visual_indicator_token_ids");
    add(R"({"visual_indicator_token_ids": [18446744073709551615]})", "visual_indicator_token_ids");
    add(R"({"visual_indicator_token_ids": [5, 5]})", "visual_indicator_token_ids");
    add(R"({"visual_indicator_token_ids": [5, 7]})", "visual_indicator_token_ids");
    add(R"({"visual_indicator_token_ids": null})", "visual_indicator_token_ids");  // 151666 and on
    add(R"({"image_token_id": 40})", "image_token_id");
    add(R"({"hidden_size": 8})", "hidden_size");
    add(R"({"hidden_size": null})", "hidden_size");  // 1536
    add(R"({"tie_word_embeddings": false, "vocab_size": 39})", "vocab_size");
    add(R"({"tie_word_embeddings": 0})", "tie_word_embeddings");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void what_files_leave_out() {
    const auto options = read_ovis2_options(
        {{"model_type", "ovis2"},
         {"text_config",
          {{"hidden_size", 1536}, {"num_attention_heads", 12}, {"num_key_value_heads", 2}}}},
        "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->text.model_type, std::string("qwen2"));
    QCOMPARE(options->vision.hidden_size, 1024);
    QCOMPARE(options->vision.intermediate_size, 2816);
    QCOMPARE(options->vision.num_hidden_layers, 24);
    QCOMPARE(options->vision.num_attention_heads, 8);
    QCOMPARE(options->vision.image_height, 224);
    QCOMPARE(options->vision.patch_size, 14);
    QCOMPARE(options->vision.layer_norm_eps, 1e-5);
    QVERIFY(options->vision.hidden_act == Activation::Silu);
    QVERIFY(!options->vision.qkv_bias && !options->vision.mlp_bias);
    QCOMPARE(options->fold, 1);
    QCOMPARE(options->words(), 16384 - 5);
    QVERIFY(options->choice == WordChoice::Mixture && options->tie_word_embeddings);
    QCOMPARE(options->image_token_id, TokenId{151665});
    QCOMPARE(options->indicator_ids.size(), std::size_t{5});
    QCOMPARE(options->indicator_ids.back(), TokenId{151670});
    // Without a vision_config there are as many rows as tokens that take them; in one that says
    // nothing of it, five.
    QCOMPARE(read({{"vision_config", nullptr}})->indicators, 2);
    QCOMPARE(read({{"vision_config", {{"num_visual_indicator_tokens", nullptr}}}})->indicators, 5);
    QVERIFY(read({{"vocab_size", 39}}).ok());  // a tied head is the embedding, whatever it says
  }

  void names_and_parts() {
    const auto model = build({{"vision_config", {{"qkv_bias", true}, {"mlp_bias", true}}}});
    const auto names = model->named_parameters();
    for (const char* name :
         {"model.vision_tower.transformer.embeddings.patch_embedding.bias",
          "model.vision_tower.transformer.embeddings.position_embedding.weight",
          "model.vision_tower.transformer.embeddings.rms_norm.weight",
          "model.vision_tower.transformer.encoder.layers.1.attention.out_proj.bias",
          "model.vision_tower.transformer.encoder.layers.0.ffn.down_proj.bias",
          "model.vision_tower.transformer.encoder.layers.0.rms_norm2.weight",
          "model.vision_tower.transformer.rms_norm.weight", "model.vision_tower.head_norm.bias"}) {
      QVERIFY2(names.contains(name), name);
      QCOMPARE(model->part_of(name), std::string(kVisionTower));
      QCOMPARE(ovis2_family.stored_name(name), std::string(name));
    }
    QCOMPARE(model->part_of("model.visual_embeddings_table.weight"), std::string(kProjector));
    QCOMPARE(ovis2_family.memory_name("visual_embeddings_table.weight"),
             std::string("model.visual_embeddings_table.weight"));
    for (const auto& item : names) QCOMPARE(ovis2_family.memory_name(item.key()), item.key());
    QVERIFY(!build()->named_parameters().contains(
        "model.vision_tower.transformer.encoder.layers.0.attention.q_proj.bias"));
  }

  void a_picture_as_text() {
    const auto tokens = tokens_in(tests_files());
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<image>"));
    QCOMPARE(tokens->token, std::string("<IMG_ATOM>"));
    const std::string four = "<IMG_ATOM><IMG_ATOM><IMG_ATOM><IMG_ATOM>";
    const auto text = [&](std::int64_t rows, std::int64_t columns) {
      return tokens->expand({{}, {}, {rows, columns}});
    };
    QCOMPARE(text(1, 1), "<IMG_START>" + four + "<IMG_GRID><IMG_END>");
    QCOMPARE(text(1, 2),
             "<IMG_START>" + four + "<IMG_GRID>" + four + "<IMG_COL>" + four + "<IMG_END>");
    QCOMPARE(text(2, 1),
             "<IMG_START>" + four + "<IMG_GRID>" + four + "<IMG_ROW>" + four + "<IMG_END>");
    QCOMPARE(text(2, 2), "<IMG_START>" + four + "<IMG_GRID>" + four + "<IMG_COL>" + four +
                             "<IMG_ROW>" + four + "<IMG_COL>" + four + "<IMG_END>");
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(std::string(patch).substr(0, 60).c_str()) << patch << field;
    };
    add(R"({"image_seq_length": 9})", "image_seq_length");
    add(R"({"image_seq_length": null})", "image_seq_length");  // 256
    add(R"({"image_seq_length": "4"})", "image_seq_length");
    add(R"({"image_processor": {"image_processor_type": "CLIPImageProcessor"}})", "");
    add(R"({"image_processor": {"image_processor_type": "Idefics3ImageProcessor",
            "size": {"height": null, "width": null, "longest_edge": 64},
            "max_image_size": {"longest_edge": 32}}})",
        "image_processor: image_processor_type");
    add(R"({"image_processor": {"do_center_crop": true}})", "image_processor: do_center_crop");
    add(R"({"image_processor": {"max_patches": 1e9}})", "image_processor: max_patches");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(ovis2_family, folder, "processor_config.json", Json::parse(patch.toStdString()));
    const auto tokens = tokens_in(folder);
    QVERIFY(!tokens.ok());
    QVERIFY2(tokens.error().where.ends_with(field.toStdString()),
             tokens.error().sentence().c_str());
  }

  void words_and_indicators_by_hand_data() {
    QTest::addColumn<QString>("choice");
    QTest::newRow("softmax") << "softmax";
    QTest::newRow("st_argmax") << "st_argmax";
  }
  /// Values and the gradients of all that makes them.
  void words_and_indicators_by_hand() {
    QFETCH(QString, choice);
    const auto model = build({{"vision_config", {{"tokenize_function", choice.toStdString()}}}});
    const ModelInput input = two_frames();
    ModelInput prepared = input;
    model->prepare(prepared);
    for (auto& parameter : model->parameters()) parameter.set_requires_grad(true);
    const Tensor wanted = embedded_by_hand(*model, input, choice == "st_argmax");
    const Tensor got = model->causal()->embed(input).embeddings;
    QVERIFY(at::allclose(got, wanted, 1e-4, 1e-5));
    QVERIFY(got.equal(model->causal()->embed(prepared).embeddings));

    const Tensor direction = torch::randn_like(wanted);
    std::map<std::string, Tensor> gradients;
    const auto backward = [&](const Tensor& made) {
      for (auto& parameter : model->parameters()) parameter.mutable_grad().reset();
      (made * direction).sum().backward();
      for (const auto& item : model->named_parameters())
        gradients[item.key()] =
            item.value().grad().defined() ? item.value().grad().clone() : Tensor();
    };
    backward(wanted);
    const auto by_hand = gradients;
    backward(got);
    std::size_t moved = 0;
    for (const auto& [name, gradient] : by_hand) {
      QVERIFY2(gradient.defined() == gradients[name].defined(), name.c_str());
      if (!gradient.defined()) continue;
      QVERIFY2(at::allclose(gradients[name], gradient, 1e-3, 1e-4), name.c_str());
      moved += gradient.abs().max().item<double>() > 0;
    }
    QVERIFY(moved > 20);
    // The third row for indicators is no token's.
    const Tensor table = gradients["model.visual_embeddings_table.weight"];
    QVERIFY(table[10].abs().max().item<double>() > 0 && table[12].eq(0).all().item<bool>());
  }

  /// Without a picture the same tokens are the text's own.
  void indicators_alone_are_text() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    ModelInput input;
    input.input_ids = torch::tensor({5, 1, 9}, torch::kInt64);
    input.lengths = {3};
    const Tensor table =
        model->named_parameters()["model.language_model.embed_tokens.weight"].detach();
    QVERIFY(model->causal()->embed(input).embeddings.equal(table.index_select(0, input.input_ids)));
  }

  void a_picture_without_indicators() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    ModelInput input = two_frames();
    const Tensor shown = model->causal()->embed(input).embeddings;
    const Tensor own = at::logical_or(input.input_ids.eq(5), input.input_ids.eq(9));
    input.input_ids.masked_fill_(own, 1);
    ModelInput prepared = input;
    model->prepare(prepared);
    QVERIFY(!prepared.aside.contains("visual_indicators"));
    const Tensor without = model->causal()->embed(input).embeddings;
    QVERIFY(without.equal(model->causal()->embed(prepared).embeddings));
    const Tensor others = own.logical_not().nonzero().squeeze(1);
    QVERIFY(shown.index_select(0, others).equal(without.index_select(0, others)));
  }

  void another_number_of_tokens_is_refused() {
    const auto model = build();
    ModelInput input = two_frames();
    input.input_ids[2] = 1;
    QVERIFY_THROWS_EXCEPTION(std::exception, model->causal()->embed(input));
    input = two_frames();
    input.pixel_values = torch::rand({2, 3, 16, 12});
    QVERIFY_THROWS_EXCEPTION(std::exception, model->causal()->embed(input));
  }

  /// Of so many words that no more than four tokens' shares are made at a time.
  void shares_in_parts() {
    constexpr std::int64_t kWords = 1 << 20;
    const Json small = {{"hidden_size", 4},
                        {"text_config", {{"hidden_size", 4}, {"intermediate_size", 4}}},
                        {"vision_config",
                         {{"hidden_size", 2},
                          {"hidden_stride", 2},
                          {"intermediate_size", 2},
                          {"num_attention_heads", 1},
                          {"vocab_size", kWords + 3}}}};
    const auto model = build(small);
    const torch::NoGradGuard no_grad;
    const ModelInput input = two_frames();
    const Tensor got = model->causal()->embed(input).embeddings;
    const auto weights = model->named_parameters();
    const Tensor states = model->picture_tower()->tower(input);
    const Tensor table = weights["model.visual_embeddings_table.weight"];
    for (const auto& [token, place] : {std::pair{0, 2}, {3, 5}, {4, 8}, {7, 11}}) {
      const Tensor logits =
          at::layer_norm(at::mv(weights["model.vision_tower.head_linear.weight"], states[token]),
                         {kWords}, weights["model.vision_tower.head_norm.weight"],
                         weights["model.vision_tower.head_norm.bias"]);
      const Tensor mixed = at::mv(table.slice(0, 0, kWords).t(), logits.softmax(0));
      QVERIFY(at::allclose(got[place], mixed, 1e-3, 1e-6));
    }
    QVERIFY(got[7].equal(table[kWords + 1]) && got[12].equal(table[kWords]));
  }

  /// What a step keeps on a picture's way, by what of it trains: the shares once or twice, what
  /// the norm takes of them, and gradients.
  void what_is_kept_of_a_picture() {
    const auto summary = summarize_model(tests_files());
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    constexpr std::int64_t kTokens = 8, kWords = 56, kFolded = 4 * 32;
    Pass pass;
    pass.tokens = 40, pass.labels = 20, pass.lengths = {40};
    pass.rows = rows_shape(pass.lengths, true);
    pass.pictures = {1, 2, 0, 2 * 3 * 32 * 32, kTokens};
    pass.terms.frames = 2;
    const auto stages = [&](const std::string& part) {
      std::vector<std::pair<std::string, TrainedShare>> trained;
      for (const ModuleSummary& module : summary->modules) {
        if (module.name.find(part) != std::string::npos)
          trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      }
      const PassCost cost = summary->cost->of(pass, trained);
      return std::pair{cost.stages.at(1).kept, cost.stages.at(2)};  // inputs, features, their way
    };
    const StepTerms& terms = pass.terms;
    const std::int64_t features = terms.block(kTokens * kFolded),
                       shares = terms.block(kTokens * kWords);
    const auto [table_features, table] = stages("visual_embeddings_table");
    QCOMPARE(table_features, features);
    QCOMPARE(table.kept, shares);
    QCOMPARE(table.gradients, 61 * 48 * 4);
    const auto [head_features, head] = stages("vision_tower.head_linear");
    QCOMPARE(head_features, features);  // which are the product's input, too
    QCOMPARE(head.kept, 2 * shares + terms.floats(2 * kTokens));
    QCOMPARE(head.gradients, kWords * kFolded * 4);
    QCOMPARE(summary->cost->feature_numbers(pass.pictures), kTokens * kFolded);
  }
};

QTEST_GUILESS_MAIN(TestOvis2)
#include "test_ovis2.moc"
