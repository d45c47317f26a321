// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Phi-4-multimodal: refusals of configurations and processors that do not
// hold together, what files leave out, the order of features and separators, that nothing sees what
// fills a square up, what is pooled across the edge of what shows something, that pictures do not
// meet, files with what is for sound, and what no gradient reaches.
#include "engine/models/phi4_multimodal/phi4_multimodal.h"

#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/models/model_summary.h"
#include "engine/models/unread_parts.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

using Grid = std::vector<std::int64_t>;

const Json config = {{"model_type", "phi4_multimodal"},
                     {"vocab_size", 40},
                     {"hidden_size", 16},
                     {"intermediate_size", 24},
                     {"num_hidden_layers", 1},
                     {"num_attention_heads", 2},
                     {"num_key_value_heads", 1},
                     {"vision_config",
                      {{"hidden_size", 16},
                       {"intermediate_size", 20},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"image_size", 12},
                       {"crop_size", 12},
                       {"patch_size", 2},
                       {"image_token_id", 7}}}};

Result<Phi4MultimodalOptions> read(const Json& patch) {
  return read_phi4_multimodal_options(merged(config, patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  return drawn_model(phi4_multimodal_family, merged(config, patch));
}

/// A row that is pictures alone, of squares of 6 by 6 patches of 2 by 2 pixels.
ModelInput pictures_of(const std::vector<Grid>& grids, std::int64_t side = 6) {
  const Phi4Cut cut{side};
  ModelInput input;
  std::int64_t frames = 0, tokens = 0;
  for (const Grid& grid : grids) {
    const std::int64_t own = 1 + grid[0] * grid[1];
    input.pictures.push_back({own, grid});
    frames += own, tokens += cut.tokens(grid);
  }
  input.pixel_values = torch::rand({frames, 3, 2 * side, 2 * side});
  input.input_ids = torch::full({tokens}, 7, torch::kInt64);
  input.lengths = {tokens};
  return input;
}

/// Where features of the square differ, of a picture of one: [rows, columns].
Tensor changed(Model& model, const ModelInput& before, const ModelInput& after) {
  const Phi4Cut cut{6};
  const Grid& grid = before.pictures[0].grid;
  const PatchGrid lines = cut.lines(grid);
  const auto made = [&](const ModelInput& input) {
    return model.picture_tower()->tower(input).slice(0, cut.pooled() * cut.pooled());
  };
  return (made(before) - made(after)).abs().amax(1).view({lines.rows, lines.columns}) > 1e-5;
}

}  // namespace

class TestPhi4Multimodal : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": {"model_type": "siglip_vision_model"}})", "vision_config: model_type");
    add(R"({"vision_config": {"patch_size": [2, 3]}})", "vision_config: patch_size");
    add(R"({"vision_config": {"image_size": [12, 14]}})", "vision_config: image_size");
    add(R"({"vision_config": {"num_attention_heads": 3}})", "vision_config: num_attention_heads");
    add(R"({"vision_config": {"crop_size": 3}})", "vision_config: crop_size");
    add(R"({"vision_config": {"crop_size": 10}})", "vision_config: crop_size");  // 5 of 6
    add(R"({"vision_config": {"crop_size": "12"}})", "vision_config: crop_size");
    add(R"({"vision_config": {"feature_layer": 3}})", "vision_config: feature_layer");
    add(R"({"vision_config": {"feature_layer": -4}})", "vision_config: feature_layer");
    add(R"({"vision_config": {"image_token_id": 40}})", "vision_config: image_token_id");
    add(R"({"embd_pdrop": 0.1})", "embd_pdrop");
    add(R"({"resid_pdrop": 0.1})", "resid_pdrop");
    add(R"({"num_key_value_heads": 3})", "num_key_value_heads");
    add(R"({"rope_scaling": {"type": "linear", "factor": 2}})", "rope_scaling.rope_type");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void what_files_leave_out() {
    const auto options =
        read_phi4_multimodal_options({{"model_type", "phi4_multimodal"}}, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->vision.hidden_size, 1152);
    QCOMPARE(options->vision.num_hidden_layers, 27);
    QCOMPARE(options->vision.layers_run(), 26);
    QCOMPARE(options->vision.cut().side, 32);
    QCOMPARE(options->vision.cut().pooled(), 16);
    QVERIFY(options->vision.hidden_act == Activation::GeluTanh);
    QCOMPARE(options->text.vocab_size, 200064);
    QCOMPARE(options->text.num_key_value_heads, 8);
    QCOMPARE(options->image_token_id, TokenId{200010});
    QVERIFY(options->text.fused_qkv && !options->tie_word_embeddings);
    QCOMPARE(read({{"vision_config", {{"feature_layer", 1}}}})->vision.layers_run(), 1);
  }

  void a_picture_as_text() {
    const auto tokens = tokens_of(phi4_multimodal_family, files_of(phi4_multimodal_family));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<|image|>"));
    const auto count = [&](const Grid& grid) {
      return tokens->expand({{}, {}, grid}).size() / tokens->mark.size();
    };
    QCOMPARE(count({1, 1, 32, 32}), 2U * (16 * 17) + 1);
    QCOMPARE(count({1, 1, 1, 1}), 16U * 17 + 1 + 2);
    QCOMPARE(count({2, 3, 41, 96}), 16U * 17 + 1 + 21 * 49);
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"size": {"height": 186, "width": 186}})", "size");
    add(R"({"size": {"height": 192, "width": 186}})", "size");
    add(R"({"size": {"height": null, "shortest_edge": 192}})", "size");
    add(R"({"patch_size": 4})", "patch_size");
    add(R"({"patch_size": 5})", "size");  // does not divide it
    add(R"({"dynamic_hd": 0})", "dynamic_hd");
    add(R"({"resample": 1})", "resample");
    add(R"({"do_rescale": false, "do_normalize": false})", "do_rescale");
    add(R"({"image_processor_type": "SiglipImageProcessor"})", "image_processor_type");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir folder;
    QCOMPARE(
        QString::fromStdString(refused_processor_field(
            phi4_multimodal_family, folder.path().toStdString(), Json::parse(patch.toStdString()))),
        field);
  }

  /// The processor counts 16 by 16 features whatever it is told.
  void frames_that_are_counted_otherwise_are_refused() {
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(phi4_multimodal_family, folder, "processor_config.json",
                  {{"image_processor", {{"size", {{"height", 180}, {"width", 180}}}}}});
    std::ofstream(folder / "config.json")
        << merged(*read_json_file(files_of(phi4_multimodal_family) / "config.json"),
                  {{"vision_config", {{"crop_size", 180}}}})
               .dump();
    const auto tokens = tokens_of(phi4_multimodal_family, folder);
    QVERIFY(!tokens.ok());
    QCOMPARE(tokens.error().where,
             (folder / "config.json").string() + ": vision_config: crop_size");
  }

  /// Three by three features a frame; of two squares, one above the other, 3 + 1 by 2 are shown.
  void features_and_separators_in_their_order() {
    const Phi4Cut cut{6};
    const Grid grid{2, 1, 7, 4};
    QCOMPARE(cut.lines(grid).rows, 4);
    QCOMPARE(cut.lines(grid).columns, 2);
    QCOMPARE(cut.features(grid), 9 + 8);
    QCOMPARE(cut.tokens(grid), 17 + 4 + 1 + 3);
    std::vector<std::int64_t> order;
    cut.add_order(grid, 100, -1, -2, order);
    const std::vector<std::int64_t> wanted{109, 110, -1, 111, 112, -1,  113, 114, -1,
                                           115, 116, -1, -2,  100, 101, 102, -1,  103,
                                           104, 105, -1, 106, 107, 108, -1};
    QCOMPARE(order, wanted);
    // Side by side: a line goes on in the next square.
    order.clear();
    cut.add_order({1, 2, 1, 8}, 0, -1, -2, order);
    order.resize(5);
    QCOMPARE(order, (std::vector<std::int64_t>{9, 10, 11, 12, -1}));
    QVERIFY_THROWS_EXCEPTION(std::exception, (void)cut.frames({1, 1, 7, 4}));
    QVERIFY_THROWS_EXCEPTION(std::exception, (void)cut.frames({2, 1, 6, 4}));
    QVERIFY_THROWS_EXCEPTION(std::exception, (void)cut.frames({1, 1, 6}));
  }

  /// Of 3 by 4 patches: the fourth row is pooled with the third and seen by none, the fifth is
  /// nothing at all.
  void what_fills_a_square_up() {
    const auto model = build({{"vision_config", {{"feature_layer", -1}}}});
    const torch::NoGradGuard no_grad;
    const ModelInput input = pictures_of({{1, 1, 3, 4}});
    const auto with_row = [&](std::int64_t row) {
      ModelInput other = input;
      other.pixel_values = input.pixel_values.clone();
      other.pixel_values[1].slice(1, 2 * row, 2 * row + 2).fill_(9);
      return other;
    };
    const Tensor edge = changed(*model, input, with_row(3));
    QVERIFY(!edge[0].any().item<bool>() && edge[1].all().item<bool>());
    QVERIFY(!changed(*model, input, with_row(4)).any().item<bool>());
    QVERIFY(changed(*model, input, with_row(2)).all().item<bool>());
  }

  /// Five by five patches: the last row and column are pooled with those before them.
  void an_odd_frame_is_folded_back() {
    const auto model =
        build({{"vision_config", {{"image_size", 10}, {"crop_size", 10}, {"feature_layer", 0}}}});
    const torch::NoGradGuard no_grad;
    ModelInput input = pictures_of({{1, 1, 5, 5}}, 5);
    const Tensor made = model->picture_tower()->tower(input);
    QCOMPARE(made.size(0), 18);
    auto weights = model->named_parameters();
    const std::string at = "model.embed_tokens_extend.image_embed.img_processor.embeddings.";
    const Tensor patches =
        at::conv2d(input.pixel_values.slice(0, 0, 1), weights[at + "patch_embedding.weight"],
                   weights[at + "patch_embedding.bias"], 2)
            .flatten(2)
            .squeeze(0)
            .t() +
        weights[at + "position_embedding.weight"];
    const Tensor folded =
        at::avg_pool2d(at::reflection_pad2d(patches.t().view({1, 16, 5, 5}), {0, 1, 0, 1}), 2)
            .flatten(2)
            .squeeze(0)
            .t();
    QVERIFY(at::allclose(made.slice(0, 0, 9), folded, 1e-5, 1e-6));
  }

  void pictures_do_not_meet() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    const std::vector<Grid> grids{{1, 1, 6, 6}, {1, 2, 3, 9}, {2, 1, 12, 5}, {1, 1, 1, 1}};
    const ModelInput all = pictures_of(grids);
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor together = model->picture_tower()->tower(all);
    QVERIFY(at::allclose(together, model->picture_tower()->tower(prepared), 1e-5, 1e-6));
    const Tensor embedded = model->causal()->embed(all).embeddings;
    QVERIFY(embedded.equal(model->causal()->embed(prepared).embeddings));
    std::int64_t frame = 0, token = 0, feature = 0;
    for (const Grid& grid : grids) {
      ModelInput alone = pictures_of({grid});
      const std::int64_t frames = alone.pictures[0].rows, tokens = alone.lengths[0],
                         features = model->picture_tower()->feature_rows(alone.pictures[0]);
      alone.pixel_values = all.pixel_values.slice(0, frame, frame + frames);
      const Tensor made = model->picture_tower()->tower(alone);
      QCOMPARE(made.size(0), features);
      QVERIFY(at::allclose(together.slice(0, feature, feature + features), made, 1e-4, 1e-5));
      QVERIFY(at::allclose(embedded.slice(0, token, token + tokens),
                           model->causal()->embed(alone).embeddings, 1e-4, 1e-5));
      frame += frames, token += tokens, feature += features;
    }
    ModelInput short_of_one = all;
    short_of_one.input_ids = all.input_ids.clone();
    short_of_one.input_ids[0] = 1;
    QVERIFY_THROWS_EXCEPTION(std::exception, (void)model->causal()->embed(short_of_one));
  }

  void what_is_for_sound_is_left_unread() {
    const std::string type = "phi4_multimodal", at = "model.embed_tokens_extend.";
    QVERIFY(is_left_unread(type, at + "audio_embed.encoder.encoders.0.self_attn.o_proj."));
    QVERIFY(!is_left_unread(type, at + "image_embed.img_projection_up."));
    QVERIFY(!is_left_unread("llama", at + "audio_embed.up_proj_for_speech."));
  }

  void separators_learn() {
    const auto model = build();
    for (auto& parameter : model->parameters()) parameter.set_requires_grad(true);
    const ModelInput input = pictures_of({{1, 1, 3, 4}});
    model->causal()->embed(input).embeddings.sum().backward();
    auto weights = model->named_parameters();
    const std::string at = "model.embed_tokens_extend.image_embed.";
    for (const char* name : {"global_img_feature_extensor", "sub_img_feature_extensor",
                             "img_processor.embeddings.position_embedding.weight"})
      QVERIFY2(weights[at + name].grad().abs().max().item<double>() > 0, name);
    QVERIFY(!weights[at + "img_processor.post_layernorm.weight"].grad().defined());
    QCOMPARE(model->part_of(at + "img_processor.head.probe"), std::string(kVisionTower));
    QCOMPARE(model->part_of(at + "sub_img_feature_extensor"), std::string(kProjector));
    QCOMPARE(model->part_of("model.layers.0.self_attn.qkv_proj.weight"),
             std::string(kLanguageModel));
  }

  /// The last layer, the norm behind it and the head.
  void what_no_gradient_reaches() {
    const auto summary = summarize_model(files_of(phi4_multimodal_family));
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    std::vector<std::pair<std::string, TrainedShare>> trained;
    std::int64_t unreached = 0;
    for (const ModuleSummary& module : summary->modules) {
      trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      for (const char* part : {"encoder.layers.2.", "post_layernorm", "img_processor.head"})
        if (module.name.find(part) != std::string::npos) unreached += module.parameters;
    }
    Pass pass;
    pass.tokens = 600, pass.labels = 20, pass.lengths = {600};
    pass.rows = rows_shape(pass.lengths, true);
    pass.pictures = {1, 2, 0, 2 * 3 * 192 * 192, 2 * (16 * 17) + 1};
    QVERIFY(unreached > 0);
    QCOMPARE(summary->cost->of(pass, trained).unreached, unreached);
    QCOMPARE(summary->cost->feature_numbers(pass.pictures), (2 * 256 + 16) * 32);
  }
};

QTEST_GUILESS_MAIN(TestPhi4Multimodal)
#include "test_phi4_multimodal.moc"
