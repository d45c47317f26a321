// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of the captioners that transformers has no class of (ClipCap, SimVLM,
// VirTex, VisualGPT): refusals of configurations that do not hold together, where a row's prefix
// ends, and captions that are read from their ends.
#include "engine/models/backward_writer.h"
#include "engine/models/families.h"
#include "engine/models/prefix_reader.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;

namespace {

const Json kClipCapConfig = Json::parse(R"({
  "model_type": "clipcap", "prefix_length": 3, "mapping_type": "transformer", "num_layers": 1,
  "num_heads": 2, "vision_config": {"hidden_size": 8, "intermediate_size": 12,
  "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8, "patch_size": 4,
  "projection_dim": 6}, "text_config": {"model_type": "gpt2", "vocab_size": 40, "n_embd": 16,
  "n_layer": 1, "n_head": 2, "n_positions": 20, "eos_token_id": 2}})");
const Json kStem = Json::parse(R"({"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1],
  "layer_type": "basic"})");
const Json kSimVlmConfig = {{"model_type", "simvlm"},
                            {"image_size", 16},
                            {"image_token_id", 30},
                            {"vision_config", kStem},
                            {"text_config", Json::parse(R"({"model_type": "llama",
  "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
  "num_attention_heads": 2})")}};
const Json kVirTexConfig = {{"model_type", "virtex"}, {"image_size", 16},
                            {"vision_config", kStem}, {"vocab_size", 40},
                            {"hidden_size", 16},      {"num_attention_heads", 2},
                            {"num_hidden_layers", 1}};
const Json kVisualGptConfig = {{"model_type", "visualgpt"},
                               {"image_size", 16},
                               {"vision_config", kStem},
                               {"encoder_attention_heads", 2},
                               {"text_config", Json::parse(R"({"model_type": "gpt2",
  "vocab_size": 40, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 20, "eos_token_id": 2,
  "add_cross_attention": true})")}};

std::vector<std::int64_t> all_of(const torch::Tensor& tensor) {
  const auto* first = tensor.const_data_ptr<std::int64_t>();
  return {first, first + tensor.numel()};
}

}  // namespace

class TestCaptioners : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* type, const char* patch, const char* field) {
      QTest::addRow("%s %s", type, patch) << type << patch << field;
    };
    add("clipcap", R"({"mapping_type": "lstm"})", "mapping_type");
    add("clipcap", R"({"prefix_length": 20})", "prefix_length");
    add("clipcap", R"({"prefix_length": 0})", "prefix_length");
    add("clipcap", R"({"num_heads": 3})", "num_heads");
    add("clipcap", R"({"prefix_length_clip": 5000})", "prefix_length_clip");
    add("clipcap", R"({"normalize_prefix": 1})", "normalize_prefix");
    add("clipcap", R"({"image_token_id": -1})", "image_token_id");
    add("clipcap", R"({"vision_config": {"model_type": "siglip_vision_model"}})",
        "vision_config: model_type");
    add("clipcap", R"({"text_config": {"model_type": "llama"}})", "text_config: model_type");
    add("clipcap", R"({"text_config": {"add_cross_attention": true}})",
        "text_config: add_cross_attention");
    add("simvlm", R"({"vision_config": {"depths": [1]}})", "vision_config: depths");
    add("simvlm", R"({"image_size": 0})", "image_size");
    add("simvlm", R"({"text_config": {"model_type": "gpt2"}})", "text_config: model_type");
    add("virtex", R"({"num_attention_heads": 3})", "num_attention_heads");
    add("virtex", R"({"bos_token_id": 0})", "pad_token_id");
    add("virtex", R"({"eos_token_id": 40})", "eos_token_id");
    add("virtex", R"({"max_position_embeddings": 1})", "max_position_embeddings");
    add("virtex", R"({"caption_backward": "yes"})", "caption_backward");
    add("visualgpt", R"({"gate_threshold": 1})", "gate_threshold");
    add("visualgpt", R"({"encoder_attention_heads": 3})", "encoder_attention_heads");
    add("visualgpt", R"({"decoder_start_token_id": 40})", "decoder_start_token_id");
    add("visualgpt", R"({"text_config": {"add_cross_attention": false}})",
        "text_config: add_cross_attention");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, type);
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const std::map<std::string, std::pair<const Family*, Json>> all{
        {"clipcap", {&clipcap_family, kClipCapConfig}},
        {"simvlm", {&simvlm_family, kSimVlmConfig}},
        {"virtex", {&virtex_family, kVirTexConfig}},
        {"visualgpt", {&visualgpt_family, kVisualGptConfig}}};
    const auto& [family, config] = all.at(type.toStdString());
    const auto plain = family->read(config, "");
    QVERIFY2(plain.ok(), plain.ok() ? "" : plain.error().sentence().c_str());
    const auto plan = family->read(merged(config, Json::parse(patch.toStdString())), "");
    QVERIFY(!plan.ok());
    QCOMPARE(QString::fromStdString(plan.error().where), "config.json: " + field);
  }

  /// By the prompt, else by the first label; a row in which nothing is learned is all prefix.
  void a_prefix_ends_where_learning_begins() {
    ModelInput input;
    input.input_ids = torch::arange(9, torch::kInt64);
    input.lengths = {4, 3, 2};
    input.prompt_lengths = {3, 0, 0};
    input.labels = torch::tensor({-100, -100, 2, 3, -100, 5, 6, -100, -100}, torch::kInt64);
    QCOMPARE(all_of(prefix_blocks(input)),
             (std::vector<std::int64_t>{0, 0, 0, -1, 0, -1, -1, 0, 0}));
    input.prompt_lengths.clear();
    QVERIFY(!take_prefix_back(input).defined());
  }

  void captions_are_read_from_their_ends() {
    ModelInput input;
    input.input_ids = torch::tensor({1, 7, 8, 2, 9, 9, 1, 5, 2}, torch::kInt64);
    input.lengths = {4, 2, 3};
    input.labels = torch::tensor({-100, 7, 8, 2, -100, -100, -100, 5, 2}, torch::kInt64);
    QCOMPARE(all_of(reversed_places(input.lengths)),
             (std::vector<std::int64_t>{3, 2, 1, 0, 5, 4, 8, 7, 6}));
    const NextLabels back = backward_labels(input);
    QCOMPARE(all_of(back.places), (std::vector<std::int64_t>{0, 1, 2, 6, 7}));
    QCOMPARE(all_of(back.labels), (std::vector<std::int64_t>{8, 7, 1, 5, 1}));
    QCOMPARE(back.labels.size(0), next_labels(input).labels.size(0));
  }
};

QTEST_GUILESS_MAIN(TestCaptioners)
#include "test_captioners.moc"
