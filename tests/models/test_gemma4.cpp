// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Gemma 4's pictures: refusals of configurations and processors that do
// not hold together, what files leave out, how a picture is written, that pictures of unlike sizes
// do not meet in the tower, where bounds let a gradient pass, and what stands for pictures in the
// text.
#include "engine/models/gemma4/gemma4.h"

#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/models/gemma4/clipped_linear.h"
#include "engine/models/model_summary.h"
#include "engine/nn/parameters.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <limits>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

constexpr TokenId kPicture = 37, kFilm = 38, kSound = 39;

const Json config = {{"model_type", "gemma4"},
                     {"image_token_id", kPicture},
                     {"video_token_id", kFilm},
                     {"audio_token_id", kSound},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1},
                       {"head_dim", 8},
                       {"global_head_dim", 16},
                       {"sliding_window", 3},
                       {"hidden_size_per_layer_input", 6},
                       {"vocab_size_per_layer_input", 40},
                       {"pad_token_id", 4},
                       {"layer_types", {"sliding_attention", "full_attention"}}}},
                     {"vision_config",
                      {{"hidden_size", 16},
                       {"intermediate_size", 20},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1},
                       {"head_dim", 8},
                       {"patch_size", 2},
                       {"pooling_kernel_size", 2},
                       {"position_embedding_size", 12}}}};

Json with(const Json& patch) { return merged(config, patch); }

Result<Gemma4ModelOptions> read(const Json& patch) {
  return read_gemma4_options(with(patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  return drawn_model(gemma4_family, with(patch));
}

/// A row that is pictures of so many rows and columns of patches alone, with a token between them.
ModelInput pictures_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& grids) {
  ModelInput input;
  std::vector<Tensor> ids;
  std::int64_t patches = 0;
  for (const auto& [rows, columns] : grids) {
    input.pictures.push_back({rows * columns, {1, rows, columns, 2, 40}});
    patches += rows * columns;
    ids.push_back(torch::full({rows * columns / 4}, kPicture, torch::kInt64));
    ids.push_back(torch::full({1}, 9, torch::kInt64));
  }
  input.pixel_values = torch::rand({patches, 12});
  input.input_ids = at::cat(ids);
  input.lengths = {input.input_ids.size(0)};
  return input;
}

}  // namespace

class TestGemma4 : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": null})", "vision_config");
    add(R"({"audio_config": 3})", "audio_config");
    add(R"({"vision_config": {"model_type": "siglip_vision_model"}})", "vision_config: model_type");
    add(R"({"vision_config": {"patch_size": 0}})", "vision_config: patch_size");
    add(R"({"vision_config": {"pooling_kernel_size": 1}})", "vision_config: pooling_kernel_size");
    add(R"({"vision_config": {"position_embedding_size": 0}})",
        "vision_config: position_embedding_size");
    add(R"({"vision_config": {"head_dim": 6}})", "vision_config: head_dim");
    add(R"({"vision_config": {"num_key_value_heads": 3}})", "vision_config: num_key_value_heads");
    add(R"({"vision_config": {"hidden_activation": "round"}})", "vision_config: hidden_activation");
    add(R"({"vision_config": {"use_clipped_linears": 1}})", "vision_config: use_clipped_linears");
    add(R"({"vision_config": {"standardize": "yes"}})", "vision_config: standardize");
    add(R"({"vision_config": {"rope_theta": 0}})", "vision_config: rope_theta");
    add(R"({"vision_config": {"rope_parameters": 3}})", "vision_config: rope_parameters");
    add(R"({"vision_config": {"rope_parameters": {"rope_theta": -1}}})",
        "vision_config: rope_parameters.rope_theta");
    add(R"({"vision_config": {"rope_parameters": {"rope_type": "default"}}})",
        "vision_config: rope_parameters.rope_type");
    add(R"({"image_token_id": -1})", "image_token_id");
    add(R"({"video_token_id": "film"})", "video_token_id");
    add(R"({"tie_word_embeddings": 1})", "tie_word_embeddings");
    add(R"({"text_config": {"model_type": "gemma3_text"}})", "text_config: model_type");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void reads_what_files_say_and_leave_out() {
    const auto options = read(Json::object());
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QVERIFY(options->tie_word_embeddings && !options->hears);
    QVERIFY(!options->vision.clips && !options->vision.standardizes);
    QCOMPARE(options->vision.theta, 100.0);
    QCOMPARE(options->other_media, (std::vector<TokenId>{kFilm, kSound}));
    QCOMPARE(read({{"vision_config", {{"rope_theta", 30.0}}}})->vision.theta, 30.0);
    const Json sound = {{"audio_config", {{"model_type", "gemma4_audio"}}},
                        {"audio_token_id", nullptr}};
    QVERIFY(with(sound).contains("audio_config") && read(sound)->hears);
    const auto bare =
        read_gemma4_options({{"vision_config", {{"model_type", "gemma4_vision"}}}}, "config.json");
    QVERIFY2(bare.ok(), bare ? "" : bare.error().sentence().c_str());
    QCOMPARE(bare->vision.num_hidden_layers, std::int64_t{16});
    QCOMPARE(bare->vision.positions, std::int64_t{10240});
    QCOMPARE(bare->image_token_id, TokenId{258880});
    QCOMPARE(bare->other_media, (std::vector<TokenId>{258884, 258881}));
  }

  void what_is_saved_has_no_tower_for_sound() {
    Json hears = with({{"audio_config", {{"model_type", "gemma4_audio"}}}}), deaf = config;
    gemma4_family.leave_out(hears);
    gemma4_family.leave_out(deaf);
    QVERIFY(hears.at("audio_config").is_null() &&
            !read_gemma4_options(hears, "config.json")->hears);
    QVERIFY(deaf == config);
  }

  void each_module_says_its_part() {
    const auto model = build({{"vision_config", {{"use_clipped_linears", true}}}});
    const auto part = [&](const char* name) { return model->part_of(name); };
    QCOMPARE(part("model.embed_vision.embedding_projection.weight"), std::string("projector"));
    QCOMPARE(part("model.vision_tower.patch_embedder.input_proj.weight"),
             std::string("vision_tower"));
    QCOMPARE(part("model.language_model.norm.weight"), std::string("language_model"));
    const auto names = model->named_parameters();
    for (const char* end : {"linear.weight", "input_min", "input_max", "output_min", "output_max"})
      QVERIFY(
          names.contains("model.vision_tower.encoder.layers.1.mlp.down_proj." + std::string(end)));
    QVERIFY(names.contains("model.vision_tower.patch_embedder.position_embedding_table"));
    for (const auto& item : names)
      QCOMPARE(gemma4_family.memory_name(gemma4_family.stored_name(item.key())), item.key());
  }

  void a_picture_is_written_between_its_marks() {
    const auto tokens = tokens_of(gemma4_family, files_of(gemma4_family));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<|image|>"));
    QCOMPARE(tokens->expand({{}, {8, 48}, {1, 2, 4, 2, 280}}),
             std::string("<|image><|image|><|image|><image|>"));
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(gemma4_family, folder, "tokenizer_config.json",
                  {{"image_token", "<p>"}, {"boi_token", "<b>"}, {"eoi_token", "<e>"}});
    const auto others = tokens_of(gemma4_family, folder);
    QVERIFY2(others.ok(), others ? "" : others.error().sentence().c_str());
    QCOMPARE(others->expand({{}, {4, 48}, {1, 2, 2, 2, 280}}), std::string("<b><p><e>"));
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"image_processor": {"patch_size": 8}})", "patch_size");
    add(R"({"image_processor": {"patch_size": null}})", "patch_size");  // 16
    add(R"({"image_processor": {"pooling_kernel_size": 3}})", "pooling_kernel_size");
    add(R"({"image_processor": {"max_soft_tokens": 71}})", "max_soft_tokens");
    add(R"({"image_processor": {"max_soft_tokens": 140}})", "max_soft_tokens");  // 280 patches
    add(R"({"image_processor": {"image_processor_type": "PixtralImageProcessor"}})",
        "image_processor_type");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(gemma4_family, folder, "processor_config.json", Json::parse(patch.toStdString()));
    const auto tokens = tokens_of(gemma4_family, folder);
    QVERIFY(!tokens.ok());
    QCOMPARE(QString::fromStdString(tokens.error().where),
             QString::fromStdString((folder / "processor_config.json").string()) +
                 ": image_processor: " + field);
  }

  /// Attention goes by rows of patches of any length, whose tables go by their own grid.
  void pictures_do_not_meet() {
    const auto model = build({{"vision_config", {{"use_clipped_linears", true}}}});
    const torch::NoGradGuard no_grad;
    const std::vector<std::pair<std::int64_t, std::int64_t>> grids{{2, 6}, {4, 2}, {2, 2}, {6, 2}};
    const ModelInput all = pictures_of(grids);
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor together = model->picture_tower()->tower(all);
    QVERIFY(at::allclose(together, model->picture_tower()->tower(prepared), 1e-5, 1e-6));
    std::int64_t start = 0;
    for (const auto& grid : grids) {
      const std::int64_t count = grid.first * grid.second;
      ModelInput alone = pictures_of({grid});
      alone.pixel_values = all.pixel_values.slice(0, start, start + count);
      QVERIFY(at::allclose(together.slice(0, start / 4, (start + count) / 4),
                           model->picture_tower()->tower(alone), 1e-4, 1e-5));
      start += count;
    }
    // The same patches lie otherwise in a picture of other proportions.
    ModelInput wide = pictures_of({{2, 6}}), tall = pictures_of({{6, 2}});
    tall.pixel_values = wide.pixel_values;
    QVERIFY(!at::allclose(model->picture_tower()->tower(wide), model->picture_tower()->tower(tall),
                          1e-2, 1e-3));
    QVERIFY_THROWS_EXCEPTION(std::exception, model->embed(pictures_of({{3, 4}})));
    QVERIFY_THROWS_EXCEPTION(std::exception, model->embed(pictures_of({{2, 14}})));
  }

  /// Every feature is the mean of a square's states times the root of their width.
  void features_are_shifted_and_scaled() {
    const auto plain = build(), standard = build({{"vision_config", {{"standardize", true}}}});
    const torch::NoGradGuard no_grad;
    auto names = standard->named_parameters();
    const auto from = plain->named_parameters();
    for (auto& item : names)
      if (from.contains(item.key())) item.value().copy_(from[item.key()]);
    names["model.vision_tower.std_bias"].fill_(0.5);
    names["model.vision_tower.std_scale"].fill_(3);
    const ModelInput input = pictures_of({{4, 4}});
    const Tensor before = plain->picture_tower()->tower(input);
    QVERIFY(at::allclose(standard->picture_tower()->tower(input), (before - 0.5) * 3, 1e-5, 1e-5));
  }

  void a_gradient_passes_within_bounds_alone() {
    Tensor x = torch::tensor({-2.0F, -1.0F, 0.5F, 1.0F, 3.0F});
    x.requires_grad_(true);
    const Tensor y = clipped(x, torch::tensor(-1.0F), torch::tensor(1.0F));
    QVERIFY(y.equal(torch::tensor({-1.0F, -1.0F, 0.5F, 1.0F, 1.0F})));
    y.sum().backward();
    QVERIFY(x.grad().equal(torch::tensor({0.0F, 1.0F, 1.0F, 1.0F, 0.0F})));
    // As torch's own.
    Tensor other = x.detach().clone().requires_grad_(true);
    at::clamp(other, torch::tensor(-1.0F), torch::tensor(1.0F)).sum().backward();
    QVERIFY(x.grad().equal(other.grad()));
  }

  void bounds_do_not_train_and_begin_without_end() {
    const auto model = build({{"vision_config", {{"use_clipped_linears", true}}}});
    const auto fixed = fixed_values(*model);
    const std::string name = "model.vision_tower.encoder.layers.0.self_attn.q_proj.";
    QCOMPARE(fixed.at(name + "input_min"), -std::numeric_limits<double>::infinity());
    QCOMPARE(fixed.at(name + "output_max"), std::numeric_limits<double>::infinity());
    QVERIFY(!fixed.contains(name + "linear.weight"));
    // Bounds without an end bound nothing.
    const auto plain = build();
    const torch::NoGradGuard no_grad;
    const auto from = model->named_parameters();
    for (auto& item : plain->named_parameters()) item.value().copy_(from[item.key()]);
    const ModelInput input = pictures_of({{4, 2}});
    QVERIFY(at::allclose(plain->picture_tower()->tower(input), model->picture_tower()->tower(input),
                         1e-5, 1e-6));
    auto names = model->named_parameters();
    names[name + "input_max"].fill_(0.1);
    QVERIFY(!at::allclose(plain->picture_tower()->tower(input),
                          model->picture_tower()->tower(input), 1e-3, 1e-4));
  }

  /// Row by row, zeros behind a picture's own.
  void pixels_as_the_processor_lays_them_out() {
    ModelInput input = pictures_of({{2, 4}, {2, 2}});
    input.pixel_values = torch::arange(12, torch::kFloat32).unsqueeze(1).repeat({1, 12});
    const Tensor pixels = gemma4_family.processor_layout(input);
    QCOMPARE(pixels.sizes().vec(), (std::vector<std::int64_t>{2, 40, 12}));
    const auto first = [&](std::int64_t picture, std::int64_t patch) {
      return pixels[picture][patch][0].item<float>();
    };
    const std::vector<float> expected{0, 1, 4, 5, 2, 3, 6, 7, 0};
    for (std::size_t i = 0; i < expected.size(); ++i)
      QCOMPARE(first(0, static_cast<std::int64_t>(i)), expected[i]);
    QCOMPARE(first(1, 3), 11.0F);
    QCOMPARE(first(1, 4), 0.0F);
  }

  void what_stands_for_media_is_padding_to_the_embeddings() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    ModelInput input;
    input.input_ids = torch::tensor({5L, kFilm, kSound, 6L}, torch::kInt64);
    input.lengths = {4};
    const TokenSequence sequence = model->embed(input);
    QVERIFY(sequence.ids.equal(torch::tensor({5L, 4L, 4L, 6L}, torch::kInt64)));
    QVERIFY(!sequence.blocks.defined());
    input.input_ids = sequence.ids;
    QVERIFY(sequence.embeddings.equal(model->embed(input).embeddings));
    const TokenSequence shown = model->embed(pictures_of({{2, 2}, {2, 4}}));
    QVERIFY(shown.ids.equal(torch::tensor({4L, 9L, 4L, 4L, 9L}, torch::kInt64)));
    QVERIFY(!shown.blocks.defined());
  }

  void pictures_are_blocks_where_the_model_says_so() {
    const auto model = build({{"text_config", {{"use_bidirectional_attention", "vision"}}}});
    const torch::NoGradGuard no_grad;
    ModelInput input = pictures_of({{2, 2}, {2, 4}});
    const Tensor expected = torch::tensor({0L, -1L, 1L, 1L, -1L}, torch::kInt64);
    QVERIFY(model->embed(input).blocks.equal(expected));
    model->prepare(input);
    QVERIFY(model->embed(input).blocks.equal(expected));
  }
};

QTEST_GUILESS_MAIN(TestGemma4)
#include "test_gemma4.moc"
