// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Gemma 3 and PaliGemma: refusals of configurations that do not hold
// together, old and new layouts of the decoders' settings, who sees whom by a brute-force reading
// of the rules, and an image token that the embedding does not hold.
#include "engine/models/families.h"
#include "engine/models/gemma/gemma3.h"
#include "engine/models/gemma/paligemma.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

const Json& base_config(const std::string& type) {
  static const Json vision = {{"hidden_size", 16},       {"intermediate_size", 20},
                              {"num_hidden_layers", 1},  {"num_attention_heads", 2},
                              {"image_size", 8},         {"patch_size", 2},
                              {"vision_use_head", false}};
  static const Json text = {
      {"vocab_size", 40},       {"hidden_size", 12},        {"intermediate_size", 24},
      {"num_hidden_layers", 2}, {"num_attention_heads", 2}, {"num_key_value_heads", 1},
      {"head_dim", 8}};
  static const Json three = {{"model_type", "gemma3"},
                             {"image_token_index", 7},
                             {"mm_tokens_per_image", 4},
                             {"text_config", text},
                             {"vision_config", vision}};
  static const Json pali = {{"model_type", "paligemma"},
                            {"image_token_index", 7},
                            {"projection_dim", 12},
                            {"text_config", text},
                            {"vision_config", vision}};
  return type == "gemma3" ? three : pali;
}

Result<SiglipGemmaOptions> read(const std::string& type, const Json& patch) {
  Json config = base_config(type);
  config.merge_patch(patch);
  if (type != "gemma3") return read_paligemma_options(config, "config.json");
  LUTHIER_TRY(const Gemma3Options options, read_gemma3_options(config, "config.json"));
  return SiglipGemmaOptions(options);
}

Result<DecoderOptions> read_text(Json config) {
  return read_decoder_options(config, "config.json");
}

std::shared_ptr<Model> build(const std::string& type, const Json& patch = Json::object()) {
  Json config = base_config(type);
  config.merge_patch(patch);
  const Family& family = type == "gemma3" ? gemma3_family : paligemma_family;
  const auto plan = family.read(config, "");
  if (!plan) return nullptr;
  const auto model = plan->made(torch::TensorOptions().dtype(torch::kFloat32));
  torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  for (auto& parameter : model->parameters()) parameter.normal_(0, 0.3);
  return model;
}

std::vector<std::int64_t> numbers(const Tensor& tensor) {
  const Tensor flat = tensor.to(torch::kInt64).contiguous().view({-1});
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

/// One row whose picture's tokens are those of id `image`.
ModelInput row_of(const std::vector<std::int64_t>& ids, std::int64_t prompt) {
  ModelInput input;
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.lengths = {static_cast<std::int64_t>(ids.size())};
  input.prompt_lengths = {prompt};
  input.pixel_values = torch::linspace(-1, 1, 3 * 8 * 8).view({1, 3, 8, 8});
  input.pictures = {{1, {}}};
  return input;
}

}  // namespace

class TestGemma : public QObject {
  Q_OBJECT

 private slots:
  void refusesWhatDoesNotHoldTogether_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* family, const char* patch, const char* field) {
      QTest::newRow((std::string(family) + " " + patch).c_str()) << family << patch << field;
    };
    for (const char* type : {"gemma3", "paligemma"}) {
      add(type, R"({"vision_config": 3})", "vision_config");
      add(type, R"({"text_config": "gemma"})", "text_config");
      add(type, R"({"vision_config": {"model_type": "clip_vision_model"}})",
          "vision_config: model_type");
      add(type, R"({"vision_config": {"model_type": 4}})", "vision_config: model_type");
      add(type, R"({"vision_config": {"patch_size": 0}})", "patch_size");
      add(type, R"({"text_config": {"model_type": "llama"}})", "text_config: model_type");
      add(type, R"({"text_config": {"head_dim": 0}})", "head_dim");
      add(type, R"({"text_config": {"head_dim": 9223372036854775807}})", "head_dim");
      add(type, R"({"image_token_index": -1})", "image_token_index");
      add(type, R"({"image_token_index": "image"})", "image_token_index");
      add(type, R"({"tie_word_embeddings": 3})", "tie_word_embeddings");
    }
    for (const char* count : {"0", "-4", "3", "9", "17", "9223372036854775807"}) {
      add("gemma3", (R"({"mm_tokens_per_image": )" + std::string(count) + "}").c_str(),
          "mm_tokens_per_image");
    }
    add("gemma3", R"({"vision_config": {"image_size": [8, 4]}})", "image_size");
    add("gemma3", R"({"text_config": {"use_bidirectional_attention": true}})",
        "use_bidirectional_attention");
    add("gemma3", R"({"text_config": {"query_pre_attn_scalar": 0}})", "query_pre_attn_scalar");
    add("gemma3", R"({"text_config": {"sliding_window": 0}})", "sliding_window");
    add("gemma3", R"({"text_config": {"sliding_window_pattern": 0}})", "sliding_window_pattern");
    add("gemma3", R"({"text_config": {"layer_types": ["full_attention"]}})", "layer_types");
    add("gemma3", R"({"text_config": {"layer_types": ["full_attention", "round_attention"]}})",
        "layer_types");
    add("gemma3", R"({"text_config": {"rope_parameters": {"sliding_attention": 3}}})",
        "rope_parameters.sliding_attention");
    add("gemma3",
        R"({"text_config": {"rope_parameters": {"full_attention": {"rope_type": "spiral"}}}})",
        "rope_type");
    add("gemma3", R"({"text_config": {"rope_scaling": {"rope_type": "linear", "factor": 0}}})",
        "factor");
    add("gemma3", R"({"text_config": {"rope_local_base_freq": -1}})", "rope_theta");
    add("paligemma", R"({"projection_dim": 13})", "projection_dim");
    add("paligemma", R"({"projection_dim": -12})", "projection_dim");
    add("paligemma", R"({"text_config": {"model_type": "gemma3_text"}})",
        "text_config: model_type");
    add("paligemma", R"({"text_config": {"model_type": "gemma2", "attn_logit_softcapping": -1}})",
        "attn_logit_softcapping");
  }

  void refusesWhatDoesNotHoldTogether() {
    QFETCH(QString, type);
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto whole = read(type.toStdString(), Json::object());
    QVERIFY2(whole.ok(), whole ? "" : whole.error().sentence().c_str());
    const auto options = read(type.toStdString(), Json::parse(patch.toStdString()));
    QVERIFY2(!options.ok(), qPrintable(patch));
    const QString sentence = QString::fromStdString(options.error().sentence());
    QVERIFY2(sentence.contains("config.json: ") && sentence.contains(field), qPrintable(sentence));
  }

  void aCapOnTheLastLogitsIsRefusedByName() {
    Json config = base_config("gemma3")["text_config"];
    config["model_type"] = "gemma3_text";
    config["final_logit_softcapping"] = nullptr;
    const auto without = gemma3_text_family.read(config, "folder");
    QVERIFY2(without.ok(), without ? "" : without.error().sentence().c_str());
    config["final_logit_softcapping"] = 30.0;
    const auto capped = gemma3_text_family.read(config, "folder");
    QVERIFY(!capped.ok());
    const QString sentence = QString::fromStdString(capped.error().sentence());
    QVERIFY2(sentence.contains("folder/config.json: final_logit_softcapping"),
             qPrintable(sentence));
  }

  void embeddingsAreTiedUnlessTheFileSaysOtherwise() {
    for (const char* type : {"gemma3", "paligemma"}) {
      QVERIFY(read(type, Json::object())->tie_word_embeddings);
      QVERIFY(read(type, {{"text_config", {{"tie_word_embeddings", false}}}})
                  ->tie_word_embeddings);  // what stands inside does not count
      QVERIFY(!read(type, {{"tie_word_embeddings", false}})->tie_word_embeddings);
    }
  }

  void paligemmaIgnoresTheSwitchThatItsPrefixImplies() {
    for (const bool value : {false, true})
      QVERIFY(read("paligemma", {{"text_config", {{"use_bidirectional_attention", value}}}}).ok());
    QVERIFY(read_paligemma_options({{"model_type", "paligemma"}}, "config.json")
                .ok());  // its own default tower and decoder
  }

  void rotarySettingsOfBothLayouts() {
    const Json sizes = {
        {"model_type", "gemma3_text"}, {"num_hidden_layers", 7}, {"sliding_window", 5}};
    Json newer = sizes, older = sizes, flat = sizes;
    newer["rope_parameters"] = {
        {"full_attention", {{"rope_type", "linear"}, {"rope_theta", 5e5}, {"factor", 8.0}}},
        {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 2e3}}}};
    older["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
    older["rope_theta"] = 5e5, older["rope_local_base_freq"] = 2e3;
    for (const Json& config : {newer, older}) {
      const auto options = read_text(config);
      QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
      QVERIFY(options->two_rotaries && options->window_in_blocks);
      QCOMPARE(options->rotary.type, std::string("linear"));
      QCOMPARE(options->rotary.factor, 8.0);
      QCOMPARE(options->rotary.theta, 5e5);
      QCOMPARE(options->local_rotary.type, std::string("default"));
      QCOMPARE(options->local_rotary.theta, 2e3);
    }
    flat["rope_parameters"] = {
        {"rope_type", "linear"},
        {"rope_theta", 5.0},
        {"factor", 8.0}};  // names no kind of layer: transformers' defaults stay
    const auto defaults = read_text(flat);
    QVERIFY(defaults.ok());
    QCOMPARE(defaults->rotary.type, std::string("default"));
    QCOMPARE(defaults->rotary.theta, 1e6);
    QCOMPARE(defaults->local_rotary.theta, 1e4);
  }

  void windowsOfEachGeneration() {
    const auto sliding = [](const Result<DecoderOptions>& options) {
      std::string text;
      for (const auto& window : options->sliding_windows) text += window ? 's' : 'f';
      return text;
    };
    QCOMPARE(sliding(read_text(
                 {{"model_type", "gemma"}, {"num_hidden_layers", 3}, {"sliding_window", 4}})),
             std::string("fff"));
    QCOMPARE(
        sliding(read_text(
            {{"model_type", "gemma2"}, {"num_hidden_layers", 5}, {"sliding_window_pattern", 3}})),
        std::string("sfsfs"));
    QCOMPARE(sliding(read_text({{"model_type", "gemma3_text"}, {"num_hidden_layers", 7}})),
             std::string("sssssfs"));
    QCOMPARE(sliding(read_text({{"model_type", "gemma3_text"},
                                {"num_hidden_layers", 4},
                                {"sliding_window_pattern", 2}})),
             std::string("sfsf"));
    const Json listed = {{"model_type", "gemma3_text"},
                         {"num_hidden_layers", 2},
                         {"sliding_window_pattern", 2},
                         {"layer_types", {"full_attention", "sliding_attention"}}};
    QCOMPARE(sliding(read_text(listed)), std::string("fs"));
    QCOMPARE(*read_text({{"model_type", "gemma2"}})->sliding_windows[0], std::int64_t{4096});
    QCOMPARE(read_text({{"model_type", "gemma2"}})->attention_softcap, 50.0);
    QCOMPARE(read_text({{"model_type", "gemma2"}, {"attn_logit_softcapping", nullptr}})
                 ->attention_softcap,
             0.0);
    QCOMPARE(read_text({{"model_type", "gemma3_text"}, {"attn_logit_softcapping", 50.0}})
                 ->attention_softcap,
             0.0);
  }

  // attend() against the rule read one pair of tokens at a time.
  void whoSeesWhom_data() {
    QTest::addColumn<bool>("bounded");
    QTest::addColumn<bool>("capped");
    QTest::newRow("blocks beyond the window") << false << false;
    QTest::newRow("blocks within the window") << true << false;
    QTest::newRow("capped scores") << true << true;
  }

  void whoSeesWhom() {
    QFETCH(bool, bounded);
    QFETCH(bool, capped);
    torch::manual_seed(3);
    const std::vector<std::int64_t> lengths{7, 4}, blocks{-1, 0, 0, 0, 0, -1, 1, 1, 1, -1, -1};
    const std::int64_t window = 3, tokens = 11;
    const Tensor q = torch::randn({tokens, 2, 4}), k = torch::randn({tokens, 2, 4}),
                 v = torch::randn({tokens, 2, 4});
    AttentionRule rule;
    rule.window = window, rule.scale = 0.7, rule.softcap = capped ? 1.5 : 0,
    rule.window_in_blocks = bounded;
    const Tensor mixed =
        attend(q, k, v, RowLayout(lengths), rule, torch::tensor(blocks, torch::kInt64));
    Tensor mask = torch::full({tokens, tokens}, -std::numeric_limits<float>::infinity());
    for (std::int64_t i = 0; i < tokens; ++i)
      for (std::int64_t j = 0; j < tokens; ++j) {
        if ((i < 7) != (j < 7)) continue;
        const std::int64_t mine = blocks[static_cast<std::size_t>(i)],
                           other = blocks[static_cast<std::size_t>(j)];
        const bool near = j > i - window, together = mine >= 0 && mine == other;
        if (bounded ? (j <= i || together) && near : (j <= i && near) || together) mask[i][j] = 0;
      }
    Tensor scores = at::einsum("ihd,jhd->hij", {q, k}) * 0.7;
    if (capped) scores = (scores / 1.5).tanh() * 1.5;
    const Tensor expected =
        at::einsum("hij,jhd->ihd", {(scores + mask).softmax(-1), v}).reshape({tokens, 8});
    QVERIFY2(at::allclose(mixed, expected, 1e-5, 1e-6),
             std::to_string((mixed - expected).abs().max().item<double>()).c_str());
  }

  void picturesAreBlocksOfGemma3() {
    const auto model = build("gemma3");
    QVERIFY(model);
    const torch::NoGradGuard no_grad;
    const TokenSequence sequence = model->embed(row_of({2, 7, 7, 7, 7, 3, 4}, 0));
    QCOMPARE(numbers(sequence.blocks), (std::vector<std::int64_t>{-1, 0, 0, 0, 0, -1, -1}));
    ModelInput text;
    text.input_ids = torch::tensor({2, 3}, torch::kInt64);
    text.lengths = {2}, text.prompt_lengths = {0};
    QVERIFY(!model->embed(text).blocks.defined());
  }

  void thePrefixOfPaliGemmaIsABlock() {
    const auto model = build("paligemma");
    QVERIFY(model);
    const torch::NoGradGuard no_grad;
    std::vector<std::int64_t> ids(16, 7);  // 4 by 4 patches
    ids.insert(ids.end(), {2, 5, 6, 9, 1});
    const TokenSequence sequence = model->embed(row_of(ids, 19));
    QCOMPARE(numbers(sequence.positions).front(), std::int64_t{1});
    QCOMPARE(numbers(sequence.positions).back(), std::int64_t{21});
    QCOMPARE(numbers(sequence.position_offsets), (std::vector<std::int64_t>{1}));
    std::vector<std::int64_t> blocks(19, 0);
    blocks.insert(blocks.end(), {-1, -1});
    QCOMPARE(numbers(sequence.blocks), blocks);
    // what the answer says must not reach what is given
    const Tensor given = model->decode(sequence, nullptr).slice(0, 0, 19);
    ids[20] = 11;
    QVERIFY(at::allclose(
        given, model->decode(model->embed(row_of(ids, 19)), nullptr).slice(0, 0, 19), 1e-5, 1e-6));
    // the last word of the question reaches the first token
    ids[18] = 12;
    QVERIFY(!at::allclose(given.slice(0, 0, 1),
                          model->decode(model->embed(row_of(ids, 19)), nullptr).slice(0, 0, 1),
                          1e-5, 1e-6));
    // decoding token by token is the same as the whole at once
    const Tensor whole = model->decode(model->embed(row_of(ids, 19)), nullptr);
    KeyValueCache cache(model->causal()->num_hidden_layers(), 21);
    const std::vector<std::int64_t> prompt(ids.begin(), ids.begin() + 19);
    model->decode(model->embed(row_of(prompt, 19)), &cache);
    for (std::size_t at = 19; at < 21; ++at) {
      ModelInput next;
      next.input_ids = torch::tensor({ids[at]}, torch::kInt64);
      next.lengths = {1};
      const Tensor hidden = model->decode(model->embed(next), &cache);
      QVERIFY(at::allclose(hidden[0], whole[static_cast<std::int64_t>(at)], 1e-4, 1e-5));
    }
  }

  void anImageTokenBehindTheVocabulary() {
    for (const char* type : {"gemma3", "paligemma"}) {
      const auto inside = build(type), outside = build(type, {{"image_token_index", 40}});
      QVERIFY(inside && outside);
      const torch::NoGradGuard no_grad;
      const std::size_t count = std::string(type) == "gemma3" ? 4 : 16;
      std::vector<std::int64_t> known(count, 7), unknown(count, 40);
      known.push_back(3), unknown.push_back(3);
      const auto prompt = static_cast<std::int64_t>(count);
      QVERIFY(at::equal(inside->embed(row_of(known, prompt)).embeddings,
                        outside->embed(row_of(unknown, prompt)).embeddings));
    }
  }
};

QTEST_APPLESS_MAIN(TestGemma)
#include "test_gemma.moc"
