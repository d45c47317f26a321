// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Mistral 3: refusals of configurations and processors that do not hold
// together, what files leave out, how a picture is written, that pictures of unlike sizes do not
// meet in the tower, and what is past the layer whose states are taken.
#include "engine/models/mistral3/mistral3.h"

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

const Json config = {{"model_type", "mistral3"},
                     {"image_token_index", 7},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1},
                       {"head_dim", 8}}},
                     {"vision_config",
                      {{"hidden_size", 16},
                       {"intermediate_size", 20},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"image_size", 16},
                       {"patch_size", 2}}}};

Json with(const Json& patch) { return merged(config, patch); }

Result<Mistral3Options> read(const Json& patch) {
  return read_mistral3_options(with(patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  return drawn_model(mistral3_family, with(patch));
}

/// A row that is pictures of so many rows and columns of patches alone.
ModelInput pictures_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& grids) {
  ModelInput input;
  std::int64_t patches = 0;
  for (const auto& [rows, columns] : grids) {
    input.pictures.push_back({rows * columns, {1, rows, columns}});
    patches += rows * columns;
  }
  input.pixel_values = torch::rand({patches, 12});
  input.input_ids = torch::full({patches / 4}, 7, torch::kInt64);
  input.lengths = {patches / 4};
  return input;
}

}  // namespace

class TestMistral3 : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": {"model_type": "clip_vision_model"}})", "vision_config: model_type");
    add(R"({"vision_config": {"patch_size": [2, 3]}})", "vision_config: patch_size");
    add(R"({"vision_config": {"num_attention_heads": 3}})", "vision_config: num_attention_heads");
    add(R"({"vision_config": {"num_attention_heads": 8}})", "vision_config: num_attention_heads");
    add(R"({"vision_config": {"head_dim": 16}})", "vision_config: head_dim");
    add(R"({"vision_config": {"rope_theta": 0}})", "vision_config: rope_theta");
    add(R"({"vision_config": {"rope_parameters": 3}})", "vision_config: rope_parameters");
    add(R"({"vision_config": {"rope_parameters": {"rope_theta": -1}}})",
        "vision_config: rope_parameters.rope_theta");
    add(R"({"vision_config": {"rope_parameters": {"rope_type": "yarn"}}})",
        "vision_config: rope_parameters.rope_type");
    add(R"({"spatial_merge_size": 0})", "spatial_merge_size");
    add(R"({"spatial_merge_size": 65})", "spatial_merge_size");
    add(R"({"vision_feature_layer": 3})", "vision_feature_layer");
    add(R"({"vision_feature_layer": -4})", "vision_feature_layer");
    add(R"({"vision_feature_layer": [-1, -2]})", "vision_feature_layer");
    add(R"({"vision_feature_layer": "last"})", "vision_feature_layer");
    add(R"({"projector_hidden_act": "round"})", "projector_hidden_act");
    add(R"({"multimodal_projector_bias": 1})", "multimodal_projector_bias");
    add(R"({"image_token_index": 40})", "image_token_index");
    add(R"({"text_config": {"model_type": "mixtral"}})", "text_config: model_type");
    add(R"({"text_config": {"model_type": "ministral3", "rope_scaling": 3}})",
        "text_config: rope_scaling");
    add(R"({"text_config": {"model_type": "ministral3", "rope_parameters":
            {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16}}})",
        "text_config: rope_parameters.llama_4_scaling_beta");
    add(R"({"text_config": {"model_type": "ministral3", "rope_parameters":
            {"rope_type": "default", "llama_4_scaling_beta": 0.1}}})",
        "text_config: rope_parameters: original_max_position_embeddings");
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
    QCOMPARE(options->layers_run, std::int64_t{2});
    QCOMPARE(options->spatial_merge_size, std::int64_t{2});
    QVERIFY(options->tie_word_embeddings && !options->projector_bias);
    QCOMPARE(options->text.sliding_windows.at(0), std::optional<std::int64_t>(4096));
    QCOMPARE(read({{"vision_feature_layer", {-2}}})->layers_run, std::int64_t{1});
    const Json turned = {{"rope_type", "default"}, {"rope_theta", 500.0}};
    QCOMPARE(read({{"vision_config", {{"rope_parameters", turned}}}})->vision.theta, 500.0);
    QCOMPARE(read({{"vision_config", {{"rope_theta", 700.0}}}})->vision.theta, 700.0);

    const auto bare = read_mistral3_options(Json::object(), "config.json");
    QVERIFY2(bare.ok(), bare ? "" : bare.error().sentence().c_str());
    QCOMPARE(bare->vision.patch_size, std::int64_t{14});
    QCOMPARE(bare->vision.head_dim(), std::int64_t{64});
    QCOMPARE(bare->text.num_hidden_layers, std::int64_t{40});
    QCOMPARE(bare->text.rotary.theta, 1e9);
    QVERIFY(!bare->text.sliding_windows.at(39));
    QCOMPARE(bare->image_token_id, TokenId{10});
  }

  void reads_what_ministral_leaves_out() {
    for (const Json& rope : {Json(nullptr), Json::object()}) {
      const auto options =
          read({{"text_config", {{"model_type", "ministral3"}, {"rope_scaling", rope}}}});
      QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
      const DecoderOptions& text = options->text;
      QCOMPARE(text.rotary.type, std::string("yarn"));
      QCOMPARE(text.rotary.theta, 1e6);
      QCOMPARE(text.rotary.factor, 16.0);
      QCOMPARE(text.query_scale_beta, 0.1);
      QCOMPARE(text.query_scale_length, std::int64_t{16384});
      QVERIFY(!text.sliding_windows.at(0));
    }
    const Json yarn = {{"rope_type", "yarn"}, {"factor", 2.0}, {"llama_4_scaling_beta", 0.0}};
    const auto told = read({{"text_config",
                             {{"model_type", "ministral3"},
                              {"sliding_window", 9},
                              {"max_position_embeddings", 64},
                              {"rope_parameters", yarn}}}});
    QVERIFY2(told.ok(), told ? "" : told.error().sentence().c_str());
    QCOMPARE(told->text.query_scale_beta, 0.0);
    QCOMPARE(told->text.query_scale_length, std::int64_t{64});
    QCOMPARE(told->text.sliding_windows.at(0), std::optional<std::int64_t>(9));
  }

  void each_module_says_its_part() {
    const auto model = build();
    const auto part = [&](const char* name) { return model->part_of(name); };
    QCOMPARE(part("model.multi_modal_projector.patch_merger.merging_layer.weight"),
             std::string("projector"));
    QCOMPARE(part("model.vision_tower.ln_pre.weight"), std::string("vision_tower"));
    QCOMPARE(part("model.language_model.norm.weight"), std::string("language_model"));
    for (const auto& item : model->named_parameters())
      QCOMPARE(mistral3_family.memory_name(mistral3_family.stored_name(item.key())), item.key());
    const std::string inner = "transformer.layers.1.feed_forward.up_proj.weight";
    QVERIFY(model->named_parameters().contains("model.vision_tower." + inner));
    QCOMPARE(mistral3_family.stored_name("model.vision_tower." + inner), "vision_tower." + inner);
  }

  void a_picture_is_written_row_by_row() {
    const auto tokens = tokens_of(mistral3_family, files_of(mistral3_family));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("[IMG]"));
    QCOMPARE(tokens->expand({{}, {24, 147}, {1, 6, 4}}),
             std::string("[IMG][IMG][IMG_BREAK][IMG][IMG][IMG_BREAK][IMG][IMG][IMG_END]"));
    QCOMPARE(tokens->expand({{}, {4, 147}, {1, 2, 2}}), std::string("[IMG][IMG_END]"));
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(
        mistral3_family, folder, "processor_config.json",
        {{"image_token", "<p>"}, {"image_break_token", "<b>"}, {"image_end_token", "<e>"}});
    const auto others = tokens_of(mistral3_family, folder);
    QVERIFY2(others.ok(), others ? "" : others.error().sentence().c_str());
    QCOMPARE(others->expand({{}, {8, 147}, {1, 4, 2}}), std::string("<p><b><p><e>"));
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"patch_size": 8})", "patch_size");
    add(R"({"patch_size": null})", "patch_size");  // 16
    add(R"({"spatial_merge_size": 1})", "spatial_merge_size");
    add(R"({"image_break_token": ""})", "image_break_token");
    add(R"({"image_end_token": 3})", "image_end_token");
    add(R"({"image_processor": {"size": {"longest_edge": 13}}})", "image_processor: size");
    add(R"({"image_processor": {"size": {"longest_edge": null, "height": 40}}})",
        "image_processor: size");
    add(R"({"image_processor": {"image_processor_type": "CLIPImageProcessor",
                                "size": {"longest_edge": null, "shortest_edge": 28}}})",
        "image_processor: image_processor_type");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(mistral3_family, folder, "processor_config.json",
                  Json::parse(patch.toStdString()));
    const auto tokens = tokens_of(mistral3_family, folder);
    QVERIFY(!tokens.ok());
    QCOMPARE(QString::fromStdString(tokens.error().where),
             QString::fromStdString((folder / "processor_config.json").string()) + ": " + field);
  }

  /// Attention goes by rows of patches of any length, whose tables go by their own grid.
  void pictures_do_not_meet() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    const std::vector<std::pair<std::int64_t, std::int64_t>> grids{{2, 6}, {4, 2}, {2, 2}, {6, 2}};
    const ModelInput all = pictures_of(grids);
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor together = model->picture_tower()->tower(all);
    QVERIFY(at::allclose(together, model->picture_tower()->tower(prepared), 1e-5, 1e-6));
    const Tensor embedded = model->embed(all).embeddings;
    std::int64_t start = 0;
    for (const auto& grid : grids) {
      const std::int64_t count = grid.first * grid.second;
      ModelInput alone = pictures_of({grid});
      alone.pixel_values = all.pixel_values.slice(0, start, start + count);
      QVERIFY(at::allclose(together.slice(0, start, start + count),
                           model->picture_tower()->tower(alone), 1e-4, 1e-5));
      QVERIFY(at::allclose(embedded.slice(0, start / 4, (start + count) / 4),
                           model->embed(alone).embeddings, 1e-4, 1e-5));
      start += count;
    }
    // The same patches lie otherwise in a picture of other proportions.
    ModelInput wide = pictures_of({{2, 6}}), tall = pictures_of({{6, 2}});
    tall.pixel_values = wide.pixel_values;
    QVERIFY(!at::allclose(model->picture_tower()->tower(wide), model->picture_tower()->tower(tall),
                          1e-2, 1e-3));
    QVERIFY_THROWS_EXCEPTION(std::exception, model->embed(pictures_of({{3, 4}})));
  }

  /// [picture, channel, row, column], zeros where a smaller picture ends.
  void pixels_as_the_processor_lays_them_out() {
    ModelInput input = pictures_of({{1, 2}, {2, 1}});
    input.pixel_values = torch::arange(4 * 12, torch::kFloat32).view({4, 12});
    const Tensor pixels = mistral3_family.processor_layout(input);
    QCOMPARE(pixels.sizes().vec(), (std::vector<std::int64_t>{2, 3, 4, 4}));
    const auto value = [&](std::int64_t picture, std::int64_t channel, std::int64_t row,
                           std::int64_t column) {
      return pixels[picture][channel][row][column].item<float>();
    };
    QCOMPARE(value(0, 0, 0, 1), 1.0F);
    QCOMPARE(value(0, 1, 1, 0), 6.0F);
    QCOMPARE(value(0, 0, 0, 2), 12.0F);
    QCOMPARE(value(0, 2, 2, 0), 0.0F);
    QCOMPARE(value(1, 2, 3, 1), 47.0F);
    QCOMPARE(value(1, 0, 0, 2), 0.0F);
  }

  void layers_past_the_one_that_is_asked_for_do_nothing() {
    const Json patch = {{"vision_feature_layer", -2}};
    const auto model = build(patch), all = build();
    const torch::NoGradGuard no_grad;
    const ModelInput input = pictures_of({{2, 4}});
    const Tensor before = model->picture_tower()->tower(input);
    QVERIFY(!before.equal(all->picture_tower()->tower(input)));
    for (auto& item : model->named_parameters())
      if (item.key().find("transformer.layers.1.") != std::string::npos) item.value().zero_();
    QVERIFY(before.equal(model->picture_tower()->tower(input)));

    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(mistral3_family, folder, "config.json", patch);
    const auto summary = summarize_model(folder);
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    std::vector<std::pair<std::string, TrainedShare>> trained;
    std::int64_t past = 0;
    for (const ModuleSummary& module : summary->modules) {
      trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      if (module.name.find("vision_tower.transformer.layers.2.") != std::string::npos)
        past += module.parameters;
    }
    Pass pass;
    pass.tokens = 40, pass.labels = 20, pass.lengths = {40};
    pass.rows = rows_shape(pass.lengths, true);
    pass.pictures = {1, 1, 24, 24 * 147, 6};
    QVERIFY(past > 0);
    QCOMPARE(summary->cost->of(pass, trained).unreached, past);
  }
};

QTEST_GUILESS_MAIN(TestMistral3)
#include "test_mistral3.moc"
