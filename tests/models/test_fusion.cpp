// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of the families in which pictures and text meet early, or through gates
// (Fuyu with Persimmon, Idefics, Chameleon): refusals of configurations that do not hold together,
// which picture each of Idefics' tokens sees, words beside the decoder's own, and that the logits
// of Chameleon's pictures are the lowest number.
#include "engine/models/chameleon/chameleon.h"
#include "engine/models/families.h"
#include "engine/models/fuyu/fuyu.h"
#include "engine/models/idefics/idefics.h"
#include "engine/models/idefics/last_picture.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

const Json kPersimmonConfig = Json::parse(R"({
  "model_type": "persimmon", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
  "num_hidden_layers": 2, "num_attention_heads": 2})");
const Json kFuyuConfig = {{"model_type", "fuyu"},
                          {"hidden_size", 16},
                          {"patch_size", 4},
                          {"image_token_id", 7},
                          {"text_config", kPersimmonConfig}};
const Json kIdeficsConfig = Json::parse(R"({
  "model_type": "idefics", "vocab_size": 40, "additional_vocab_size": 2, "hidden_size": 16,
  "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
  "cross_layer_interval": 2, "vision_config": {"embed_dim": 8, "image_size": 8, "patch_size": 4,
  "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2}})");
const Json kChameleonConfig = Json::parse(R"({
  "model_type": "chameleon", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
  "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
  "vq_config": {"embed_dim": 4, "num_embeddings": 2, "latent_channels": 4, "resolution": 8,
  "base_channels": 32, "channel_multiplier": [1], "num_res_blocks": 1},
  "vocabulary_map": {"<image>": 5, "IMGIMGAZ": 30, "IMGIMGBZ": 20}})");

std::vector<std::int64_t> flat_runs(const Sighted& sight) {
  std::vector<std::int64_t> numbers;
  for (const PictureSight::Run& run : sight.runs)
    numbers.insert(numbers.end(), {run.tokens, run.first, run.seen});
  return numbers;
}

std::vector<std::int64_t> numbers_of(const Tensor& tensor) {
  const auto* first = tensor.const_data_ptr<std::int64_t>();
  return {first, first + tensor.numel()};
}

}  // namespace

class TestFusion : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* type, const char* patch, const char* field) {
      QTest::addRow("%s %s", type, patch) << type << patch << field;
    };
    add("persimmon", R"({"hidden_act": "softsign"})", "hidden_act");
    add("persimmon", R"({"attention_dropout": 0.1})", "attention_dropout");
    add("persimmon", R"({"num_attention_heads": 3})", "num_attention_heads");
    add("fuyu", R"({"hidden_size": 8})", "hidden_size");
    add("fuyu", R"({"patch_size": 0})", "patch_size");
    add("fuyu", R"({"num_channels": 1})", "num_channels");
    add("fuyu", R"({"image_token_id": 40})", "image_token_id");
    add("fuyu", R"({"text_config": {"hidden_dropout": 0.5}})", "text_config: hidden_dropout");
    add("idefics", R"({"alpha_type": "matrix"})", "alpha_type");
    add("idefics", R"({"alpha_initializer": "twos"})", "alpha_initializer");
    add("idefics", R"({"cross_layer_interval": 3})", "cross_layer_interval");
    add("idefics", R"({"cross_layer_interval": 0})", "cross_layer_interval");
    add("idefics", R"({"dropout": 0.1})", "dropout");
    add("idefics", R"({"additional_vocab_size": -1})", "additional_vocab_size");
    add("idefics", R"({"vision_config": {"image_size": 3}})", "vision_config: image_size");
    add("idefics", R"({"use_resampler": true, "perceiver_config": {"resampler_depth": 0}})",
        "perceiver_config: resampler_depth");
    add("chameleon", R"({"attention_dropout": 0.1})", "attention_dropout");
    add("chameleon", R"({"vq_config": {"double_latent": true}})", "vq_config: double_latent");
    add("chameleon", R"({"vq_config": {"base_channels": 33}})", "vq_config: base_channels");
    add("chameleon", R"({"vq_config": {"channel_multiplier": []}})",
        "vq_config: channel_multiplier");
    add("chameleon", R"({"vq_config": {"channel_multiplier": [1, 1, 1, 1, 1]}})",
        "vq_config: channel_multiplier");
    add("chameleon", R"({"vq_config": {"num_embeddings": 3}})", "vocabulary_map");
    add("chameleon", R"({"vocabulary_map": {"IMGIMGBZ": 40}})", "vocabulary_map");
    add("chameleon", R"({"vocabulary_map": {"IMGIMGXZ": 4}})", "vocabulary_map");
    add("chameleon", R"({"vocabulary_map": {"<image>": null}})", "vocabulary_map: <image>");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, type);
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const std::map<std::string, std::pair<const Family*, Json>> all{
        {"persimmon", {&persimmon_family, kPersimmonConfig}},
        {"fuyu", {&fuyu_family, kFuyuConfig}},
        {"idefics", {&idefics_family, kIdeficsConfig}},
        {"chameleon", {&chameleon_family, kChameleonConfig}}};
    const auto& [family, config] = all.at(type.toStdString());
    const auto plain = family->read(config, "");
    QVERIFY2(plain.ok(), plain.ok() ? "" : plain.error().sentence().c_str());
    const auto plan = family->read(merged(config, Json::parse(patch.toStdString())), "");
    QVERIFY(!plan.ok());
    QCOMPARE(QString::fromStdString(plan.error().where), "config.json: " + field);
  }

  void sees_the_last_picture() {
    // Two rows: a word, a picture, a word, the end, a word; and two pictures side by side, a word.
    ModelInput input;
    input.input_ids = torch::tensor({3, 41, 4, 2, 5, 41, 41, 6}, torch::kInt64);
    input.lengths = {5, 3};
    const auto events = picture_events(input, 41, {2});
    QCOMPARE(events, (std::vector<std::int64_t>{1, -4, 5, 6}));
    const Sighted sight = last_pictures(input.lengths, events, 10);
    QCOMPARE(flat_runs(sight), (std::vector<std::int64_t>{3, 0, 10, 1, 10, 10, 2, 20, 10}));
    QCOMPARE(sight.last_runs, (std::vector<std::int64_t>{-1, 2}));
    QCOMPARE(numbers_of(sight.tokens), (std::vector<std::int64_t>{1, 2, 3, 5, 6, 7}));
    QVERIFY(!last_pictures({2}, {0}, 10).tokens.defined());
    QCOMPARE(last_pictures({2, 1}, {}, 10).last_runs, (std::vector<std::int64_t>{-1, -1}));
  }

  /// The same where it is said of each token: two rows, of which one looks at two pictures at once.
  void what_is_said_of_each_token() {
    const Tensor sights =
        torch::tensor({{0, 0}, {0, 1}, {0, 2}, {0, 2}, {2, 1}, {0, 0}}, torch::kInt64);
    const Sighted sight = given_pictures({4, 2}, sights, 3);
    QCOMPARE(flat_runs(sight), (std::vector<std::int64_t>{1, 0, 3, 2, 3, 6, 1, 9, 3}));
    QCOMPARE(sight.last_runs, (std::vector<std::int64_t>{1, -1}));
    QCOMPARE(numbers_of(sight.tokens), (std::vector<std::int64_t>{1, 2, 3, 4}));
    QCOMPARE(numbers_of(sight.order),
             (std::vector<std::int64_t>{0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8}));
  }

  void words_beside_the_decoders_own() {
    const auto model = drawn_model(idefics_family, kIdeficsConfig);
    const auto names = model->named_parameters();
    QCOMPARE(names["lm_head.weight"].size(0), 40);
    QCOMPARE(names["lm_head.additional_fc.weight"].size(0), 2);
    QCOMPARE(names["model.embed_tokens.additional_embedding.weight"].size(0), 2);
    QVERIFY(names.contains("model.gated_cross_attn_layers.0.alpha_dense"));
    QVERIFY(!names.contains("model.gated_cross_attn_layers.1.alpha_dense"));
    const torch::NoGradGuard no_grad;
    ModelInput input;
    input.input_ids = torch::tensor({3, 40, 41}, torch::kInt64);
    input.lengths = {3};
    const Tensor embedded = model->embed(input).embeddings;
    QVERIFY(at::equal(embedded[0], names["model.embed_tokens.weight"][3]));
    QVERIFY(at::equal(embedded[2], names["model.embed_tokens.additional_embedding.weight"][1]));
    const Tensor logits = model->head()->forward(embedded);
    QCOMPARE(logits.size(1), 42);
    QVERIFY(at::allclose(logits.slice(1, 40),
                         at::matmul(embedded, names["lm_head.additional_fc.weight"].t())));
  }

  void pictures_words_are_never_written() {
    const auto model = drawn_model(chameleon_family, kChameleonConfig);
    const torch::NoGradGuard no_grad;
    const Tensor logits = model->head()->forward(torch::ones({1, 16}));
    for (const std::int64_t word : {20, 30})
      QCOMPARE(logits[0][word].item<float>(), std::numeric_limits<float>::lowest());
    QVERIFY(logits[0][21].abs().item<float>() < 100);
    QVERIFY(!model->named_parameters().contains("lm_head.bias"));
    const auto options = read_chameleon_options(kChameleonConfig, "config.json");
    QCOMPARE(options->words, (std::vector<TokenId>{30, 20}));
  }

  void names_of_hubs_files() {
    const auto model = drawn_model(fuyu_family, kFuyuConfig);
    for (const auto& item : model->named_parameters()) {
      const std::string stored = fuyu_family.stored_name(item.key());
      QVERIFY2(!stored.starts_with("model."), stored.c_str());
      QCOMPARE(fuyu_family.memory_name(stored), item.key());
      QCOMPARE(fuyu_family.memory_name(item.key()), item.key());
    }
  }
};

QTEST_GUILESS_MAIN(TestFusion)
#include "test_fusion.moc"
