// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Aya Vision: refusals of configurations and processors that do not hold
// together, what files leave out, how tiles are written, and the projector beside the same products
// by hand.
#include "engine/models/aya_vision/aya_vision.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <fstream>

using namespace luthier;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

const Json config = {{"model_type", "aya_vision"},
                     {"image_token_index", 7},
                     {"alignment_intermediate_size", 12},
                     {"adapter_layer_norm_eps", 1e-3},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2}}},
                     {"vision_config",
                      {{"hidden_size", 8},
                       {"intermediate_size", 12},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"image_size", 16},
                       {"patch_size", 4},
                       {"vision_use_head", false}}}};

Json with(const Json& patch) {
  Json whole = config;
  whole.merge_patch(patch);
  return whole;
}

Result<AyaVisionOptions> read(const Json& patch = Json::object()) {
  return read_aya_vision_options(with(patch), "config.json");
}

/// The family's way of writing pictures, from a folder that holds these files.
Result<ImageTokens> tokens_of(const Json& pictures, const Json& processor) {
  const QTemporaryDir temporary;
  const fs::path folder = temporary.path().toStdString();
  Json settings = {{"image_processor_type", "GotOcr2ImageProcessor"},
                   {"size", {{"height", 16}, {"width", 16}}}};
  settings.merge_patch(pictures);
  Json whole = {{"img_size", 16}, {"patch_size", 4}, {"downsample_factor", 2}};
  whole.merge_patch(processor);
  std::ofstream(folder / "preprocessor_config.json", std::ios::binary) << settings.dump();
  std::ofstream(folder / "processor_config.json", std::ios::binary) << whole.dump();
  LUTHIER_TRY(const Plan plan, aya_vision_family.read(config, folder));
  return plan.pictures->tokens(folder);
}

}  // namespace

class TestAyaVision : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"text_config": []})", "text_config");
    add(R"({"vision_config": {"model_type": "pixtral"}})", "vision_config: model_type");
    add(R"({"vision_config": {"image_size": [16, 32]}})", "vision_config: image_size");
    add(R"({"vision_config": {"num_attention_heads": 3}})", "vision_config: num_attention_heads");
    add(R"({"vision_feature_layer": 3})", "vision_feature_layer");
    add(R"({"vision_feature_layer": -4})", "vision_feature_layer");
    add(R"({"vision_feature_layer": [-1, -2]})", "vision_feature_layer");
    add(R"({"vision_feature_layer": "last"})", "vision_feature_layer");
    add(R"({"vision_feature_select_strategy": "default"})", "vision_feature_select_strategy");
    add(R"({"vision_feature_select_strategy": "half"})", "vision_feature_select_strategy");
    add(R"({"vision_config": {"model_type": "clip_vision_model"}})",
        "vision_feature_select_strategy");
    add(R"({"downsample_factor": 0})", "downsample_factor");
    add(R"({"downsample_factor": 65})", "downsample_factor");
    add(R"({"downsample_factor": 3})", "downsample_factor");  // a frame is 4 × 4 patches
    add(R"({"downsample_factor": 1.5})", "downsample_factor");
    add(R"({"alignment_intermediate_size": 13})", "alignment_intermediate_size");
    add(R"({"alignment_intermediate_size": 0})", "alignment_intermediate_size");
    add(R"({"adapter_layer_norm_eps": -1})", "adapter_layer_norm_eps");
    add(R"({"tie_word_embeddings": 1})", "tie_word_embeddings");
    add(R"({"image_token_index": 40})", "image_token_index");
    add(R"({"text_config": {"model_type": "mixtral"}})", "text_config: model_type");
    add(R"({"text_config": {"sliding_window": 0}})", "text_config: sliding_window");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void what_a_file_leaves_out() {
    const auto options = read({{"alignment_intermediate_size", nullptr},
                               {"adapter_layer_norm_eps", nullptr},
                               {"image_token_index", nullptr},
                               {"text_config", {{"vocab_size", nullptr}}}});
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->text.model_type, std::string("cohere2"));
    QCOMPARE(options->alignment_size, 16);
    QCOMPARE(options->fold, 2);
    QCOMPARE(options->feature_layer, -1);
    QCOMPARE(options->norm_eps, 1e-6);
    QCOMPARE(options->image_token_id, 255036);
    QVERIFY(options->tie_word_embeddings && !options->drop_first_feature);
    QVERIFY(!options->vision.class_embedding);
    // The class of transformers does not multiply with the decoder's.
    QCOMPARE(read({{"text_config", {{"logit_scale", 0.5}}}})->text.logit_scale, 1.0);
  }

  void tiles_are_numbered_and_the_whole_comes_last() {
    const auto tokens = tokens_of(Json::object(), Json::object());
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<image>"));
    QCOMPARE(tokens->token, std::string("<|IMG_PATCH|>"));
    const std::string four = "<|IMG_PATCH|><|IMG_PATCH|><|IMG_PATCH|><|IMG_PATCH|>";
    QCOMPARE(tokens->expand({{}, {1, 3, 16, 16}, {1}}),
             "<|START_OF_IMG|>TILE_GLOBAL" + four + "<|END_OF_IMG|>");
    QCOMPARE(tokens->expand({{}, {3, 3, 16, 16}, {3}}), "<|START_OF_IMG|>TILE_1" + four + "TILE_2" +
                                                            four + "TILE_GLOBAL" + four +
                                                            "<|END_OF_IMG|>");
    const auto others = tokens_of(Json::object(), {{"image_token", "<i>"},
                                                   {"img_patch_token", "<p>"},
                                                   {"start_of_img_token", "<s>"},
                                                   {"end_of_img_token", "<e>"},
                                                   {"tile_token", "T"},
                                                   {"tile_global_token", "<g>"},
                                                   {"patch_size", 8},
                                                   {"downsample_factor", nullptr}});
    QVERIFY2(others.ok(), others ? "" : others.error().sentence().c_str());
    QCOMPARE(others->mark, std::string("<i>"));
    QCOMPARE(others->expand({{}, {2, 3, 16, 16}, {2}}),
             std::string("<s>T_1<p><p><p><p><g><p><p><p><p><e>"));
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("pictures");
    QTest::addColumn<QString>("processor");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* pictures, const char* processor, const char* field) {
      QTest::newRow((std::string(pictures) + processor).substr(0, 100).c_str())
          << pictures << processor << field;
    };
    add(R"({"image_processor_type": "CLIPImageProcessor"})", "{}", "");
    add(R"({"image_processor_type": "Qwen2VLImageProcessor",
            "size": {"shortest_edge": 256, "longest_edge": 65536}})",
        "{}", "");
    add("{}", R"({"img_size": 32})", "img_size");
    add("{}", R"({"img_size": null})", "img_size");
    add("{}", R"({"img_size": 0})", "img_size");
    add("{}", R"({"patch_size": 17})", "img_size");
    add("{}", R"({"patch_size": "4"})", "patch_size");
    add("{}", R"({"downsample_factor": 1})", "img_size");
    add("{}", R"({"img_patch_token": ""})", "img_patch_token");
    add("{}", R"({"tile_token": 3})", "tile_token");
    add("{}", R"({"start_of_img_token": []})", "start_of_img_token");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, pictures);
    QFETCH(QString, processor);
    QFETCH(QString, field);
    const auto tokens =
        tokens_of(Json::parse(pictures.toStdString()), Json::parse(processor.toStdString()));
    QVERIFY(!tokens.ok());
    QVERIFY2(tokens.error().where.ends_with(field.toStdString()),
             tokens.error().sentence().c_str());
  }

  void names_and_parts() {
    const auto plan = aya_vision_family.read(config, "");
    QVERIFY2(plan.ok(), plan ? "" : plan.error().sentence().c_str());
    const auto model = plan->made(torch::TensorOptions());
    QCOMPARE(model->part_of("model.vision_tower.post_layernorm.weight"), std::string(kVisionTower));
    QCOMPARE(model->part_of("model.multi_modal_projector.linear_2.bias"), std::string(kProjector));
    QCOMPARE(model->part_of("model.language_model.norm.weight"), std::string(kLanguageModel));
    for (const auto& item : model->named_parameters())
      QCOMPARE(aya_vision_family.memory_name(aya_vision_family.stored_name(item.key())),
               item.key());
    QCOMPARE(
        aya_vision_family.memory_name("vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias"),
        std::string("model.vision_tower.encoder.layers.0.mlp.fc1.bias"));
  }

  /// A square of patches becomes a token; the projector's second half opens the first.
  void the_projector_by_hand() {
    const torch::NoGradGuard no_grad;
    const auto model = aya_vision_family.read(config, "")->made(torch::TensorOptions());
    torch::manual_seed(5);
    for (auto& parameter : model->parameters()) parameter.normal_(0, 0.3);
    const auto weights = model->named_parameters();
    const auto own = [&](const std::string& name) {
      return weights["model.multi_modal_projector." + name];
    };
    ModelInput input;
    input.pictures.push_back({2, {2}});
    input.pixel_values = torch::rand({2, 3, 16, 16});
    input.input_ids = torch::full({8}, 7, torch::kInt64);
    input.lengths = {8};
    const Tensor folded = model->picture_tower()->tower(input);
    QCOMPARE(folded.sizes().vec(), (std::vector<std::int64_t>{8, 32}));
    const Tensor even = folded - folded.mean(1, true);
    const Tensor normal = even / (even.square().mean(1, true) + 1e-3).sqrt();
    const Tensor made = at::linear(normal * own("layernorm.weight") + own("layernorm.bias"),
                                   own("linear_1.weight"), own("linear_1.bias"));
    const Tensor opened = at::silu(made.slice(1, 6, 12)) * made.slice(1, 0, 6);
    const Tensor expected = at::linear(opened, own("linear_2.weight"), own("linear_2.bias"));
    QVERIFY(at::allclose(model->embed(input).embeddings, expected, 1e-4, 1e-5));
  }
};

QTEST_GUILESS_MAIN(TestAyaVision)
#include "test_aya_vision.moc"
