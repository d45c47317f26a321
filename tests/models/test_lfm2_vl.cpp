// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of LFM2-VL: refusals of configurations and processors that do not hold
// together, what files leave out, how a picture is written, a table of positions stretched over
// frames as torch stretches it, that frames do not meet in the tower, the order in which patches
// are folded, and what no gradient reaches.
#include "engine/models/lfm2_vl/lfm2_vl.h"

#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/models/model_summary.h"

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

const Json config = {{"model_type", "lfm2_vl"},
                     {"image_token_id", 7},
                     {"projector_hidden_size", 20},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1},
                       {"layer_types", {"conv"}}}},
                     {"vision_config",
                      {{"hidden_size", 16},
                       {"intermediate_size", 20},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"num_patches", 9},
                       {"patch_size", 2}}}};

Json with(const Json& patch) { return merged(config, patch); }

Result<Lfm2VlOptions> read(const Json& patch) {
  return read_lfm2_vl_options(with(patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  return drawn_model(lfm2_vl_family, with(patch));
}

/// Patches of a picture that was cut so.
std::int64_t patches_of(const Grid& grid) {
  return grid[0] * grid[1] * grid[2] * grid[2] + grid[3] * grid[4];
}

/// A row that is pictures alone.
ModelInput pictures_of(const std::vector<Grid>& grids) {
  ModelInput input;
  std::int64_t patches = 0;
  for (const Grid& grid : grids) {
    input.pictures.push_back({patches_of(grid), grid});
    patches += patches_of(grid);
  }
  input.pixel_values = torch::rand({patches, 12});
  input.input_ids = torch::full({patches / 4}, 7, torch::kInt64);
  input.lengths = {patches / 4};
  return input;
}

}  // namespace

class TestLfm2Vl : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": {"model_type": "siglip_vision_model"}})", "vision_config: model_type");
    add(R"({"vision_config": {"patch_size": [2, 3]}})", "vision_config: patch_size");
    add(R"({"vision_config": {"num_attention_heads": 3}})", "vision_config: num_attention_heads");
    add(R"({"vision_config": {"num_patches": 10}})", "vision_config: num_patches");
    add(R"({"vision_config": {"num_patches": 0}})", "vision_config: num_patches");
    add(R"({"text_config": {"model_type": "lfm3"}})", "text_config: model_type");
    add(R"({"text_config": {"conv_L_cache": 0}})", "text_config: conv_L_cache");
    add(R"({"downsample_factor": 0})", "downsample_factor");
    add(R"({"projector_hidden_size": -1})", "projector_hidden_size");
    add(R"({"projector_hidden_act": "softmax"})", "projector_hidden_act");
    add(R"({"projector_bias": 1})", "projector_bias");
    add(R"({"projector_use_layernorm": "no"})", "projector_use_layernorm");
    add(R"({"image_token_id": 40})", "image_token_id");
    add(R"({"tie_embedding": 0})", "tie_embedding");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void what_files_leave_out() {
    const auto options = read_lfm2_vl_options({{"model_type", "lfm2_vl"}}, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->vision.position_side, 16);
    QCOMPARE(options->vision.hidden_size, 768);
    QCOMPARE(options->vision.patch_size, 16);
    QVERIFY(options->vision.hidden_act == Activation::GeluTanh && options->vision.pooling_head);
    QCOMPARE(options->text.model_type, std::string("lfm2"));
    QCOMPARE(options->text.hidden_size, 2560);
    QCOMPARE(options->image_token_id, TokenId{396});
    QVERIFY(options->tie_word_embeddings && options->projector_use_layernorm);
    QVERIFY(!read({{"tie_embedding", false}, {"tie_word_embeddings", true}})->tie_word_embeddings);
    QVERIFY(!build({{"projector_use_layernorm", false}})
                 ->named_parameters()
                 .contains("model.multi_modal_projector.layer_norm.weight"));
    QVERIFY(!build({{"vision_config", {{"vision_use_head", false}}}})
                 ->named_parameters()
                 .contains("model.vision_tower.head.probe"));
  }

  void names_of_hubs_files() {
    const auto names = build()->named_parameters();
    for (const char* end : {"embeddings.patch_embedding.weight", "head.attention.in_proj_weight",
                            "encoder.layers.1.self_attn.out_proj.bias"}) {
      const std::string memory = std::string("model.vision_tower.") + end;
      QVERIFY2(names.contains(memory), end);
      QCOMPARE(lfm2_vl_family.memory_name(std::string("model.vision_tower.vision_model.") + end),
               memory);
      QCOMPARE(lfm2_vl_family.memory_name(memory), memory);
      QCOMPARE(lfm2_vl_family.stored_name(memory), memory);
    }
  }

  void a_picture_as_text() {
    const auto tokens = tokens_of(lfm2_vl_family, files_of(lfm2_vl_family));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<image>"));
    const auto text = [&](const Grid& grid) { return tokens->expand({{}, {}, grid}); };
    QCOMPARE(text({0, 0, 0, 2, 4}), std::string("<|image_start|><image><image><|image_end|>"));
    QCOMPARE(text({2, 1, 2, 2, 4}),
             std::string("<|image_start|><|img_row_1_col_1|><image><|img_row_2_col_1|><image>"
                         "<|img_thumbnail|><image><image><|image_end|>"));
    QCOMPARE(text({1, 2, 2, 0, 0}),
             std::string("<|image_start|><|img_row_1_col_1|><image><|img_row_1_col_2|><image>"
                         "<|image_end|>"));
    QCOMPARE(text({1, 1, 2, 0, 0}), std::string("<|image_start|><image><|image_end|>"));
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"encoder_patch_size": 8})", "encoder_patch_size");
    add(R"({"encoder_patch_size": null, "tile_size": 32})", "encoder_patch_size");  // 16
    add(R"({"downsample_factor": 1})", "downsample_factor");
    add(R"({"tile_size": 20})", "tile_size");
    add(R"({"min_tiles": 5})", "min_tiles");
    add(R"({"max_pixels_tolerance": -1})", "max_pixels_tolerance");
    add(R"({"resample": 1})", "resample");
    add(R"({"image_processor_type": "PixtralImageProcessor", "size": {"longest_edge": 64}})",
        "image_processor_type");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir folder;
    QCOMPARE(QString::fromStdString(refused_processor_field(
                 lfm2_vl_family, folder.path().toStdString(), Json::parse(patch.toStdString()))),
             field);
  }

  /// Of frames larger than the table, smaller, and both.
  void positions_are_stretched_as_torch_stretches_them() {
    torch::manual_seed(2);
    constexpr std::int64_t kSide = 6, kWidth = 5;
    const Tensor table = torch::randn({kSide * kSide, kWidth});
    const Tensor shown = table.view({kSide, kSide, kWidth}).permute({2, 0, 1}).unsqueeze(0);
    std::vector<PatchGrid> frames{{6, 6}, {1, 1}, {2, 9}, {13, 4}, {5, 7}, {1, 30}};
    std::vector<Tensor> wanted;
    for (const PatchGrid& frame : frames)
      wanted.push_back(at::_upsample_bilinear2d_aa(shown, {frame.rows, frame.columns}, false)
                           .reshape({kWidth, frame.rows * frame.columns})
                           .t());
    const Tensor got = at::mm(position_shares(frames, kSide), table);
    QVERIFY(at::allclose(got, at::cat(wanted), 1e-5, 1e-6));
  }

  void frames_do_not_meet() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    const std::vector<Grid> grids{
        {0, 0, 0, 2, 6}, {2, 2, 2, 4, 4}, {1, 2, 4, 0, 0}, {0, 0, 0, 4, 2}};
    const ModelInput all = pictures_of(grids);
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor together = model->picture_tower()->tower(all);
    QVERIFY(at::allclose(together, model->picture_tower()->tower(prepared), 1e-5, 1e-6));
    const Tensor embedded = model->causal()->embed(all).embeddings;
    std::int64_t start = 0;
    for (const Grid& grid : grids) {
      const std::int64_t count = patches_of(grid);
      ModelInput alone = pictures_of({grid});
      alone.pixel_values = all.pixel_values.slice(0, start, start + count);
      QVERIFY(at::allclose(together.slice(0, start, start + count),
                           model->picture_tower()->tower(alone), 1e-4, 1e-5));
      QVERIFY(at::allclose(embedded.slice(0, start / 4, (start + count) / 4),
                           model->causal()->embed(alone).embeddings, 1e-4, 1e-5));
      start += count;
    }
    // A tile is a picture of its own.
    ModelInput tile = pictures_of({{0, 0, 0, 2, 2}});
    tile.pixel_values = all.pixel_values.slice(0, 12, 16);
    QVERIFY(
        at::allclose(together.slice(0, 12, 16), model->picture_tower()->tower(tile), 1e-4, 1e-5));
    // The same patches lie otherwise in a picture of other proportions.
    ModelInput wide = pictures_of({{0, 0, 0, 2, 6}}), tall = pictures_of({{0, 0, 0, 6, 2}});
    tall.pixel_values = wide.pixel_values;
    QVERIFY(!at::allclose(model->picture_tower()->tower(wide), model->picture_tower()->tower(tall),
                          1e-2, 1e-3));
    QVERIFY_THROWS_EXCEPTION(std::exception,
                             model->causal()->embed(pictures_of({{0, 0, 0, 3, 4}})));
  }

  /// [frame, patch, numbers], zeros where a smaller frame ends.
  void pixels_as_the_processor_lays_them_out() {
    ModelInput input = pictures_of({{1, 2, 1, 1, 3}});
    input.pixel_values = torch::arange(5 * 12, torch::kFloat32).view({5, 12});
    const Tensor pixels = lfm2_vl_family.processor_layout(input);
    QCOMPARE(pixels.sizes().vec(), (std::vector<std::int64_t>{3, 3, 12}));
    QCOMPARE(pixels[1][0][2].item<float>(), 14.0F);
    QCOMPARE(pixels[1][1][2].item<float>(), 0.0F);
    QCOMPARE(pixels[2][2][11].item<float>(), 59.0F);
  }

  /// The head that nobody asks.
  void what_no_gradient_reaches() {
    const auto summary = summarize_model(files_of(lfm2_vl_family));
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    std::vector<std::pair<std::string, TrainedShare>> trained;
    std::int64_t unreached = 0;
    for (const ModuleSummary& module : summary->modules) {
      trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      if (module.name.find("vision_tower.head") != std::string::npos)
        unreached += module.parameters;
    }
    Pass pass;
    pass.tokens = 40, pass.labels = 20, pass.lengths = {40};
    pass.rows = rows_shape(pass.lengths, true);
    pass.pictures = {1, 0, 16, 16 * 48, 4};
    QVERIFY(unreached > 0);
    QCOMPARE(summary->cost->of(pass, trained).unreached, unreached);
  }
};

QTEST_GUILESS_MAIN(TestLfm2Vl)
#include "test_lfm2_vl.moc"
