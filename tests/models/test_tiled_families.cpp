// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of the families that cut pictures into tiles (SmolVLM, Idefics3,
// LLaVA-NeXT, LLaVA-OneVision, InternVL): refusals of configurations and processors that do not
// belong together, where positions, folds, paddings and line ends lie on small grids that one can
// check by hand, and narrow weights.
#include "engine/models/idefics3/idefics3.h"
#include "engine/models/internvl/internvl.h"
#include "engine/models/llava_next/llava_onevision.h"
#include "engine/models/stored_head.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <array>
#include <fstream>

using namespace luthier;

namespace {

const Json text_half = {{"vocab_size", 40},         {"hidden_size", 16},
                        {"intermediate_size", 24},  {"num_hidden_layers", 1},
                        {"num_attention_heads", 2}, {"num_key_value_heads", 1}};
const Json tower_half = {{"hidden_size", 8},       {"intermediate_size", 12},
                         {"num_hidden_layers", 2}, {"num_attention_heads", 2},
                         {"image_size", 16},       {"patch_size", 4}};

constexpr std::array kTypes{"smolvlm", "idefics3", "llava_next", "llava_onevision", "internvl"};

struct Kind {
  const Family& family;
  Json config, pictures, processor;
};

Kind kind(const std::string& type) {
  Json config = {{"model_type", type},
                 {"text_config", text_half},
                 {"vision_config", tower_half},
                 {"image_token_id", 7}};
  if (type == "smolvlm" || type == "idefics3") {
    return {type == "smolvlm" ? smolvlm_family : idefics3_family,
            config,
            {{"image_processor_type", "Idefics3ImageProcessor"},
             {"size", {{"longest_edge", 32}}},
             {"max_image_size", {{"longest_edge", 16}}}},
            {{"image_seq_len", 4}}};
  }
  if (type == "internvl") {
    return {internvl_family,
            config,
            {{"image_processor_type", "GotOcr2ImageProcessor"},
             {"size", {{"height", 16}, {"width", 16}}}},
            {{"image_seq_length", 4}}};
  }
  config["image_grid_pinpoints"] = {{16, 32}, {32, 16}, {32, 32}};
  if (type == "llava_onevision") {
    config["vision_aspect_ratio"] = "anyres_max_1";
    return {llava_onevision_family,
            config,
            {{"image_processor_type", "LlavaOnevisionImageProcessor"},
             {"size", {{"height", 16}, {"width", 16}}},
             {"image_grid_pinpoints", config["image_grid_pinpoints"]}},
            {{"num_image_tokens", 16},
             {"vision_feature_select_strategy", "full"},
             {"vision_aspect_ratio", "anyres_max_1"}}};
  }
  config["vision_config"]["model_type"] = "clip_vision_model";
  return {llava_next_family,
          config,
          {{"image_processor_type", "LlavaNextImageProcessor"},
           {"size", {{"shortest_edge", 16}}},
           {"crop_size", {{"height", 16}, {"width", 16}}},
           {"image_grid_pinpoints", config["image_grid_pinpoints"]}},
          {{"num_additional_image_tokens", 1},
           {"patch_size", 4},
           {"vision_feature_select_strategy", "default"}}};
}

void write_json(const std::filesystem::path& path, const Json& json) {
  std::ofstream(path, std::ios::binary) << json.dump(2);
}

/// The family's way of writing pictures, from a folder that holds these files.
Result<ImageTokens> image_tokens(const Kind& k, const Json& tokenizer = Json::object()) {
  const QTemporaryDir folder;
  const std::filesystem::path path = folder.path().toStdString();
  write_json(path / "config.json", k.config);
  write_json(path / "preprocessor_config.json", k.pictures);
  write_json(path / "processor_config.json", k.processor);
  write_json(path / "tokenizer_config.json", tokenizer);
  LUTHIER_TRY(const Plan plan, k.family.read(k.config, path));
  return plan.pictures->tokens(path);
}

std::shared_ptr<Model> build(const Kind& k, torch::ScalarType dtype = torch::kFloat32) {
  auto model = k.family.read(k.config, "")->made(torch::TensorOptions().dtype(dtype));
  torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
  for (auto& parameter : model->parameters())
    parameter.copy_(torch::empty(parameter.sizes()).normal_(0, 0.2, generator));
  return model;
}

torch::Tensor parameter(Model& model, const std::string& name) {
  return model.named_parameters()[name];
}

/// One row that is pictures alone, as the processor lays them out.
ModelInput pictures_alone(const std::vector<PictureFacts>& pictures, std::int64_t tokens) {
  ModelInput input;
  std::int64_t frames = 0;
  for (const PictureFacts& picture : pictures) frames += picture.rows;
  input.pictures = pictures;
  input.pixel_values = torch::rand({frames, 3, 16, 16});
  input.input_ids = torch::full({tokens}, 7, torch::kInt64);
  input.lengths = {tokens};
  return input;
}

std::vector<std::int64_t> whole(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.round().to(torch::kInt64).contiguous().view({-1});
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

using Numbers = std::vector<std::int64_t>;

}  // namespace

class TestTiledFamilies : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* type, const char* patch, const char* field) {
      QTest::newRow((std::string(type) + " " + patch).substr(0, 100).c_str())
          << type << patch << field;
    };
    for (const char* type : kTypes) {
      add(type, R"({"vision_config": []})", "vision_config");
      add(type, R"({"text_config": "llama"})", "text_config");
      add(type, R"({"vision_config": {"hidden_size": 0}})", "vision_config: hidden_size");
      add(type, R"({"vision_config": {"hidden_size": 9223372036854775807}})",
          "vision_config: hidden_size");
      add(type, R"({"vision_config": {"num_attention_heads": 3}})",
          "vision_config: num_attention_heads");
      add(type, R"({"vision_config": {"patch_size": 0}})", "vision_config: patch_size");
      add(type, R"({"vision_config": {"patch_size": [4, 2]}})", "vision_config: patch_size");
      add(type, R"({"vision_config": {"patch_size": 32}})", "vision_config: image_size");
      add(type, R"({"vision_config": {"image_size": [16, 32]}})", "vision_config: image_size");
      add(type, R"({"vision_config": {"image_size": [16, 16, 16]}})", "vision_config: image_size");
      add(type, R"({"vision_config": {"num_hidden_layers": -1}})",
          "vision_config: num_hidden_layers");
      add(type, R"({"vision_config": {"hidden_act": "sine"}})", "vision_config: hidden_act");
      add(type, R"({"image_token_id": 40})", "image_token_id");
      add(type, R"({"image_token_id": -1})", "image_token_id");
    }
    for (const char* type : {"smolvlm", "idefics3"}) {
      for (const char* factor : {"0", "-2", "65", "4611686018427387904", "\"2\"", "1.5"}) {
        add(type, (std::string("{\"scale_factor\": ") + factor + "}").c_str(), "scale_factor");
      }
    }
    for (const char* ratio : {"0", "0.0", "-0.5", "2", "0.3", "1e-9", "1e308", "\"0.5\""}) {
      add("internvl", (std::string("{\"downsample_ratio\": ") + ratio + "}").c_str(),
          "downsample_ratio");
    }
    add("internvl", R"({"vision_feature_layer": 3})", "vision_feature_layer");
    add("internvl", R"({"vision_feature_layer": -4})", "vision_feature_layer");
    add("internvl", R"({"vision_feature_layer": [-1]})", "vision_feature_layer");
    add("internvl", R"({"vision_feature_select_strategy": "full"})",
        "vision_feature_select_strategy");
    add("internvl", R"({"projector_hidden_act": "sine"})", "projector_hidden_act");
    add("internvl", R"({"vision_config": {"norm_type": "batch_norm"}})",
        "vision_config: norm_type");
    for (const char* pinpoints :
         {"[]", "{}", "16", "[16, 32]", "[[16]]", "[[16, 32, 48]]", "[[0, 16]]", "[[-16, 16]]",
          "[[16, 24]]", "[[16, 16], [8, 16]]", "[[1048576, 16]]", "[[16, \"32\"]]"}) {
      for (const char* type : {"llava_next", "llava_onevision"})
        add(type, (std::string("{\"image_grid_pinpoints\": ") + pinpoints + "}").c_str(),
            "image_grid_pinpoints");
    }
    for (const char* ratio : {"\"\"", "\"pad\"", "\"anyres\"", "\"anyres_max_\"",
                              "\"anyres_max_0\"", "\"anyres_max_-1\"", "\"anyres_max_4097\"",
                              "\"anyres_max_99999\"", "\"anyres_max_9x\"", "9"}) {
      add("llava_onevision", (std::string("{\"vision_aspect_ratio\": ") + ratio + "}").c_str(),
          "vision_aspect_ratio");
    }
    add("llava_onevision", R"({"vision_config": {"model_type": "clip_vision_model"}})",
        "vision_feature_select_strategy");
    add("llava_next", R"({"vision_feature_select_strategy": "full"})",
        "vision_feature_select_strategy");
    add("llava_next", R"({"vision_config": {"model_type": "siglip_vision_model"}})",
        "vision_feature_select_strategy");
    add("llava_next", R"({"vision_feature_layer": [-1, 9]})", "vision_feature_layer");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, type);
    QFETCH(QString, patch);
    QFETCH(QString, field);
    Kind k = kind(type.toStdString());
    k.config.merge_patch(Json::parse(patch.toStdString()));
    const auto built = k.family.read(k.config, "");
    QVERIFY(!built.ok());
    QVERIFY2(built.error().where.starts_with("config.json: " + field.toStdString()),
             built.error().sentence().c_str());
    QVERIFY(!built.error().what.empty());
    QVERIFY(!image_tokens(k).ok());
  }

  void refuses_a_processor_that_does_not_belong_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("file");
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* type, const char* file, const char* patch, const char* field) {
      QTest::newRow((std::string(type) + " " + patch).substr(0, 100).c_str())
          << type << file << patch << field;
    };
    for (const char* type : kTypes) {
      add(type, "pictures",
          R"({"image_processor_type": "CLIPImageProcessor", "size": {"height": 16, "width": 16}})",
          "");
      add(type, "pictures",
          R"({"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 256, "longest_edge": 65536}})",
          "");
      if (std::string(type) == "idefics3") continue;  // its tokens have fixed names
      add(type, "tokenizer", R"({"context_image_token": 5, "image_token": 5})", "image_token");
      add(type, "tokenizer",
          R"({"extra_special_tokens": {"context_image_token": "", "image_token": ""}})",
          "image_token");
    }
    for (const char* type : {"smolvlm", "idefics3"}) {
      add(type, "config", R"({"scale_factor": 3})",
          "config.json: scale_factor");  // a frame is 4 × 4 patches
      add(type, "config", R"({"vision_config": {"patch_size": 6}, "scale_factor": 4})",
          "config.json: scale_factor");
      add(type, "pictures", R"({"max_image_size": {"longest_edge": 3}})",
          "config.json: scale_factor");
      add(type, "processor", R"({"image_seq_len": 5})", "processor_config.json: image_seq_len");
      add(type, "processor", R"({"image_seq_len": 0})", "processor_config.json: image_seq_len");
      add(type, "processor", R"({"image_seq_len": 9000000000000})",
          "processor_config.json: image_seq_len");
      add(type, "processor", R"({"image_seq_len": null})",
          "processor_config.json: image_seq_len");  // the processor's own default, 169
    }
    add("internvl", "config", R"({"downsample_ratio": 0.125})", "config.json: downsample_ratio");
    add("internvl", "pictures", R"({"size": {"height": 20, "width": 20}})",
        "config.json: downsample_ratio");  // 5 × 5 patches
    add("internvl", "processor", R"({"image_seq_length": 16})",
        "processor_config.json: image_seq_length");
    add("internvl", "processor", R"({"image_seq_length": null})",
        "processor_config.json: image_seq_length");
    add("llava_next", "pictures", R"({"image_grid_pinpoints": [[16, 32], [32, 32], [32, 16]]})",
        "preprocessor_config.json: image_grid_pinpoints");
    add("llava_next", "pictures", R"({"image_grid_pinpoints": null})",
        "preprocessor_config.json: image_grid_pinpoints");
    add("llava_next", "pictures", R"({"image_grid_pinpoints": [[16, -32]]})",
        "preprocessor_config.json: image_grid_pinpoints");
    add("llava_next", "processor", R"({"patch_size": 0})", "processor_config.json: patch_size");
    add("llava_onevision", "pictures", R"({"image_grid_pinpoints": [[16, 32], [32, 16]]})",
        "preprocessor_config.json: image_grid_pinpoints");
    for (const char* count : {"15", "17", "0", "\"16\""}) {
      add("llava_onevision", "processor",
          (std::string("{\"num_image_tokens\": ") + count + "}").c_str(),
          "processor_config.json: num_image_tokens");
    }
    for (const char* ratio : {"null", "\"anyres_max_2\"", "\"anyres\"", "1"}) {
      add("llava_onevision", "processor",
          (std::string("{\"vision_aspect_ratio\": ") + ratio + "}").c_str(),
          "processor_config.json: vision_aspect_ratio");
    }
  }
  void refuses_a_processor_that_does_not_belong() {
    QFETCH(QString, type);
    QFETCH(QString, file);
    QFETCH(QString, patch);
    QFETCH(QString, field);
    Kind k = kind(type.toStdString());
    Json tokenizer = Json::object();
    (file == "config"      ? k.config
     : file == "pictures"  ? k.pictures
     : file == "processor" ? k.processor
                           : tokenizer)
        .merge_patch(Json::parse(patch.toStdString()));
    const auto tokens = image_tokens(k, tokenizer);
    QVERIFY(!tokens.ok());
    QVERIFY2(tokens.error().where.find(field.toStdString()) != std::string::npos,
             tokens.error().sentence().c_str());
  }

  void writes_tiles_as_idefics3_does() {
    const auto tokens = image_tokens(kind("idefics3"));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    const std::string four = "<image><image><image><image>", fake = "<fake_token_around_image>";
    QCOMPARE(tokens->expand({{}, {1, 3, 16, 16}, {0, 0}}), fake + "<global-img>" + four + fake);
    QCOMPARE(tokens->expand({{}, {3, 3, 16, 16}, {1, 2}}), fake + "<row_1_col_1>" + four + fake +
                                                               "<row_1_col_2>" + four + "\n\n" +
                                                               fake + "<global-img>" + four + fake);
    QCOMPARE(tokens->expand({{}, {3, 3, 16, 16}, {2, 1}}),
             fake + "<row_1_col_1>" + four + "\n" + fake + "<row_2_col_1>" + four + "\n\n" + fake +
                 "<global-img>" + four + fake);
  }

  void smolvlm_and_internvl_ask_the_tokenizer() {
    const auto smol = image_tokens(
        kind("smolvlm"),
        {{"image_token", "<I>"},
         {"extra_special_tokens", {{"fake_image_token", "<F>"}, {"global_image_token", "<G>"}}}});
    QCOMPARE(smol->mark, std::string("<I>"));
    QCOMPARE(smol->expand({{}, {1, 3, 16, 16}, {0, 0}}), std::string("<F><G><I><I><I><I><F>"));
    const auto intern = image_tokens(
        kind("internvl"), {{"context_image_token", {{"content", "<C>"}, {"special", true}}},
                           {"start_image_token", "<S>"}});
    QVERIFY2(intern.ok(), intern ? "" : intern.error().sentence().c_str());
    QCOMPARE(intern->expand({{}, {2, 3, 16, 16}, {2}}),
             std::string("<S><C><C><C><C><C><C><C><C></img>"));
  }

  void positions_go_by_the_fraction_of_the_side() {
    VisionTowerOptions options =
        read_idefics3_tower_options(tower_half, "").take();  // a table of 4 × 4
    for (const auto dtype : {torch::kFloat32, torch::kBFloat16}) {
      torch::NoGradGuard no_grad;
      VisionTower tower(options, torch::TensorOptions().dtype(dtype));
      for (auto& parameter : tower->parameters()) parameter.zero_();
      tower->named_parameters()["embeddings.position_embedding.weight"].copy_(
          torch::arange(16).unsqueeze(1).expand({16, 8}));
      const auto places = [&](std::int64_t height, std::int64_t width) {
        return whole(tower->forward(torch::zeros({1, 3, height, width}), {0})[0].select(2, 0));
      };
      QCOMPARE(places(16, 16), Numbers({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
      QCOMPARE(places(12, 12),
               Numbers({0, 1, 2, 4, 5, 6, 8, 9, 10}));  // thirds: 0, 1/3 and 2/3 of the side
      QCOMPARE(places(4, 8), Numbers({0, 2}));
      QCOMPARE(places(4, 32), Numbers({0, 0, 1, 1, 2, 2, 3, 3}));
      QCOMPARE(places(19, 11),
               Numbers({0, 2, 4, 6, 8, 10, 12, 14}));  // what is left of a patch does not count
    }
  }

  void folds_squares_of_patches_row_by_row() {
    const torch::Tensor x =
        torch::arange(16).view({1, 8, 2});  // 2 rows of 4 patches with 2 features
    QCOMPARE(whole(fold_patches(x, 2, 4, 2)),
             Numbers({0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15}));
    QCOMPARE(whole(fold_patches(x, 2, 4, 1)), whole(x));
    QVERIFY_THROWS_EXCEPTION(std::exception, fold_patches(x, 2, 4, 3));
  }

  void takes_out_the_padding() {
    const auto left = [](std::int64_t height, std::int64_t width, std::int64_t rows,
                         std::int64_t columns) {
      const Unpadded u = unpad({width, height}, rows, columns);
      return Numbers{u.rows, u.columns, u.top, u.left};
    };
    QCOMPARE(left(16, 16, 8, 8), Numbers({8, 8, 0, 0}));
    QCOMPARE(left(16, 32, 8, 8), Numbers({4, 8, 2, 0}));
    QCOMPARE(left(32, 16, 8, 8), Numbers({8, 4, 0, 2}));
    QCOMPARE(left(30, 16, 8, 8), Numbers({8, 4, 0, 2}));  // 4.27 columns: 4 of 8
    QCOMPARE(left(24, 16, 8, 8),
             Numbers({8, 6, 0, 1}));  // 5.33 columns: 3 to spare, one on each side goes
    QCOMPARE(left(1, 1000, 8, 8), Numbers({0, 8, 4, 0}));  // no line is left
    QCOMPARE(left(1000, 1, 4, 8), Numbers({4, 0, 0, 4}));
    QCOMPARE(unpad({1000, 1}, 8, 8).features(), std::int64_t(0));
    QCOMPARE(left(49, 7, 7, 1), Numbers({7, 1, 0, 0}));  // 7 × (7 / 49) is 1 only when rounded
  }

  void ends_each_line_with_the_learned_vector() {
    const Kind k = kind("llava_next");
    const auto tokens = image_tokens(k);
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    const auto model = build(k);
    torch::NoGradGuard no_grad;
    for (const char* name :
         {"linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"}) {
      parameter(*model, std::string("model.multi_modal_projector.") + name).zero_();
    }
    parameter(*model, "model.image_newline").fill_(1);
    // 16 × 32 takes the pinpoint of that size: a base of 16 features, then 4 lines of 8. 32 × 32: 8
    // lines of 8. 8 × 32: half of 16 × 32's lines.
    const std::vector<PictureFacts> pictures{{3, {16, 32}}, {5, {32, 32}}, {3, {8, 32}}};
    std::int64_t count = 0;
    for (const PictureFacts& picture : pictures)
      count += static_cast<std::int64_t>(
          tokens->expand({{}, {picture.rows, 3, 16, 16}, picture.grid}).size() / 7);
    QCOMPARE(count, std::int64_t((16 + 4 * 9) + (16 + 8 * 9) + (16 + 2 * 9)));
    const Numbers first =
        whole(model->embed(pictures_alone(pictures, count)).embeddings.select(1, 0));
    Numbers expected;
    for (const std::int64_t lines : {4, 8, 2}) {
      expected.insert(expected.end(), 16, 0);
      for (std::int64_t line = 0; line < lines; ++line) {
        expected.insert(expected.end(), 8, 0);
        expected.push_back(1);
      }
    }
    QCOMPARE(first, expected);
    QVERIFY_THROWS_EXCEPTION(
        std::exception, model->embed(pictures_alone({{4, {16, 32}}},
                                                    52)));  // frames that the pinpoints do not make
  }

  void lays_frames_out_as_the_processors_do() {
    ModelInput input = pictures_alone({{3, {16, 32}}, {5, {32, 32}}}, 1);
    const torch::Tensor padded = llava_next_family.processor_layout(input);
    QCOMPARE(Numbers(padded.sizes().begin(), padded.sizes().end()), Numbers({2, 5, 3, 16, 16}));
    QVERIFY(padded[0].slice(0, 0, 3).equal(input.pixel_values.slice(0, 0, 3)));
    QVERIFY(padded[0].slice(0, 3).eq(0).all().item<bool>());
    QVERIFY(padded[1].equal(input.pixel_values.slice(0, 3)));
    const torch::Tensor one = smolvlm_family.processor_layout(input);
    QCOMPARE(Numbers(one.sizes().begin(), one.sizes().end()), Numbers({1, 8, 3, 16, 16}));
  }

  void narrow_weights_pass_through_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("patch");
    QTest::newRow("smolvlm") << "smolvlm"
                             << "{}";
    QTest::newRow("idefics3, table larger than the frame")
        << "idefics3"
        << R"({"vision_config": {"image_size": 24}})";
    QTest::newRow("llava_next") << "llava_next"
                                << "{}";
    QTest::newRow("llava_onevision") << "llava_onevision"
                                     << "{}";
    QTest::newRow("internvl") << "internvl"
                              << "{}";
    QTest::newRow("internvl, everything else")
        << "internvl"
        << R"({"vision_config": {"image_size": 24, "norm_type": "rms_norm", "use_qk_norm": true,
        "attention_bias": true, "use_mean_pooling": false, "use_mask_token": true}, )"
           R"("downsample_ratio": 0.25, "tie_word_embeddings": false})";
  }
  void narrow_weights_pass_through() {
    QFETCH(QString, type);
    QFETCH(QString, patch);
    Kind k = kind(type.toStdString());
    k.config.merge_patch(Json::parse(patch.toStdString()));
    const bool next = type.startsWith("llava");
    const std::int64_t tokens = type == "llava_next"                              ? 52
                                : next                                            ? 28
                                : k.config.value("downsample_ratio", 0.5) == 0.25 ? 3
                                                                                  : 12;
    const ModelInput input = pictures_alone({{3, next ? Numbers{16, 32} : Numbers{1, 2}}}, tokens);
    const auto exact = build(k), narrow = build(k, torch::kBFloat16);
    const torch::Tensor wide = exact->decode(exact->embed(input), nullptr),
                        low = narrow->decode(narrow->embed(input), nullptr);
    QCOMPARE(low.scalar_type(), torch::kBFloat16);
    QVERIFY(wide.isfinite().all().item<bool>());
    QVERIFY((wide - low.to(torch::kFloat32)).abs().max().item<float>() <
            0.1F * wide.abs().max().item<float>());
    // a frame by itself has the features that it has among others
    ModelInput alone = input;
    alone.pixel_values = input.pixel_values.slice(0, 1, 2);
    const torch::Tensor all = exact->picture_tower()->tower(input),
                        one = exact->picture_tower()->tower(alone);
    QVERIFY(all.slice(0, one.size(0), 2 * one.size(0)).allclose(one, 1e-5, 1e-6));
  }

  void a_head_in_the_file_is_believed() {
    const Kind k = kind("internvl");  // ties the head, as its configuration class does where
                                      // config.json says nothing
    const auto model = build(k);
    std::vector<float> embedding(40 * 16, 1), head = embedding;
    const auto opened = [&](bool with_head) {
      const QTemporaryDir folder;
      const std::filesystem::path path = folder.path().toStdString();
      std::vector<TensorToWrite> tensors{{"language_model.model.embed_tokens.weight",
                                          DType::F32,
                                          {40, 16},
                                          std::as_bytes(std::span(embedding))}};
      if (with_head)
        tensors.push_back({"language_model.lm_head.weight",
                           DType::F32,
                           {40, 16},
                           std::as_bytes(std::span(head))});
      if (!write_safetensors(path / "model.safetensors", tensors))
        throw std::runtime_error("not written");
      return has_own_head(*model, k.family, CheckpointFiles::open(path).take()).value();
    };
    QVERIFY(!opened(false));
    QVERIFY(!opened(true));  // the same numbers twice
    head.back() = 2;
    QVERIFY(opened(true));
    Json config = k.config;
    config["text_config"]["tie_word_embeddings"] = true;
    untie(k.family, config);
    const auto meta = torch::TensorOptions().device(torch::kMeta);
    const auto untied = k.family.read(config, "")->made(meta);
    QVERIFY(k.family.read(k.config, "")
                ->build(meta, HeadWeight::Own)
                ->named_parameters()
                .contains("lm_head.weight"));
    QVERIFY(untied->named_parameters().contains("lm_head.weight"));
    QVERIFY(!untied->geometry().tied_embeddings);
  }

  void each_name_goes_there_and_back() {
    for (const char* type : kTypes) {
      const Kind k = kind(type);
      for (const auto& item : build(k)->named_parameters())
        QCOMPARE(k.family.memory_name(k.family.stored_name(item.key())), item.key());
    }
  }

  void each_module_says_its_part() {
    const auto part = [](const char* type, const char* name) {
      return build(kind(type))->part_of(name);
    };
    QCOMPARE(part("llava_next", "model.image_newline"), std::string("projector"));
    QCOMPARE(part("llava_next", "model.vision_tower.post_layernorm.weight"),
             std::string("vision_tower"));
    QCOMPARE(part("smolvlm", "model.connector.modality_projection.proj.weight"),
             std::string("projector"));
    QCOMPARE(part("smolvlm", "model.vision_model.post_layernorm.weight"),
             std::string("vision_tower"));
    QCOMPARE(part("internvl", "model.multi_modal_projector.layer_norm.weight"),
             std::string("projector"));
    QCOMPARE(part("internvl", "model.language_model.norm.weight"), std::string("language_model"));
    QCOMPARE(part("internvl", "lm_head"), std::string("language_model"));
    QCOMPARE(build(kind("internvl"))->parts(),
             (std::vector<std::string>{"vision_tower", "projector", "language_model"}));
  }

  void families_name_their_processor() {
    QCOMPARE(kind("smolvlm").family.read(kind("smolvlm").config, "")->pictures->defaults.type,
             std::string("SmolVLMImageProcessor"));
    const auto internvl = kind("internvl").family.read(kind("internvl").config, "").take();
    QCOMPARE(internvl.pictures->defaults.type, std::string("GotOcr2ImageProcessor"));
    QVERIFY(internvl.pictures->defaults.settings["crop_to_patches"].get<bool>());
  }
};

QTEST_APPLESS_MAIN(TestTiledFamilies)
#include "test_tiled_families.moc"
