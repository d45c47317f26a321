// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of the Qwen-VL families: refusals of configurations that do not hold
// together, where patches, windows and positions lie on small grids that one can check by hand, and
// that narrow weights pass through every conversion.
#include "engine/models/qwen_vl/qwen_layout.h"
#include "engine/models/qwen_vl/qwen_vl.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include <fstream>

using namespace luthier;

namespace {

const Json& base_config(const std::string& type) {
  static const Json text = {{"vocab_size", 40},
                            {"hidden_size", 16},
                            {"intermediate_size", 24},
                            {"num_hidden_layers", 2},
                            {"num_attention_heads", 2},
                            {"num_key_value_heads", 1},
                            {"head_dim", 8},
                            {"rope_scaling", {{"type", "mrope"}, {"mrope_section", {2, 1, 1}}}}};
  static const Json two = {{"model_type", "qwen2_vl"},
                           {"image_token_id", 7},
                           {"text_config", text},
                           {"vision_config",
                            {{"depth", 2},
                             {"embed_dim", 16},
                             {"hidden_size", 16},
                             {"num_heads", 2},
                             {"patch_size", 2}}}};
  static const Json two_and_half = {{"model_type", "qwen2_5_vl"},
                                    {"image_token_id", 7},
                                    {"text_config", text},
                                    {"vision_config",
                                     {{"depth", 2},
                                      {"hidden_size", 16},
                                      {"out_hidden_size", 16},
                                      {"intermediate_size", 20},
                                      {"num_heads", 2},
                                      {"patch_size", 2},
                                      {"window_size", 8},
                                      {"fullatt_block_indexes", {1}}}}};
  static const Json three = {{"model_type", "qwen3_vl"},
                             {"image_token_id", 7},
                             {"text_config", text},
                             {"vision_config",
                              {{"depth", 2},
                               {"hidden_size", 16},
                               {"out_hidden_size", 16},
                               {"intermediate_size", 20},
                               {"num_heads", 2},
                               {"patch_size", 2},
                               {"num_position_embeddings", 9},
                               {"deepstack_visual_indexes", {1, 0}}}}};
  return type == "qwen2_vl" ? two : type == "qwen2_5_vl" ? two_and_half : three;
}

const Family& family(const std::string& type) {
  return type == "qwen2_vl"     ? qwen2_vl_family
         : type == "qwen2_5_vl" ? qwen2_5_vl_family
                                : qwen3_vl_family;
}

const QwenGeneration& generation(const std::string& type) {
  return type == "qwen2_vl"     ? qwen2_vl_generation
         : type == "qwen2_5_vl" ? qwen2_5_vl_generation
                                : qwen3_vl_generation;
}

Result<QwenVlOptions> read(const std::string& type, const Json& patch) {
  Json config = base_config(type);
  config.merge_patch(patch);
  return read_qwen_vl_options(generation(type), config, "config.json");
}

std::vector<std::int64_t> numbers(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.to(torch::kInt64).contiguous().view({-1});
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

class TestQwenVl : public QObject {
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
    const auto tower = [&](const char* type, const std::string& patch, const char* field) {
      const std::string whole = "{\"vision_config\": {" + patch + "}}",
                        place = std::string("vision_config: ") + field;
      add(type, whole.c_str(), place.c_str());
    };
    tower("qwen2_vl", R"("depth": 0)", "depth");
    tower("qwen2_vl", R"("depth": 1000000)", "depth");
    tower("qwen2_vl", R"("depth": "two")", "depth");
    tower("qwen2_vl", R"("embed_dim": 0)", "embed_dim");
    tower("qwen2_vl", R"("embed_dim": 1073741824)", "embed_dim");
    tower("qwen2_vl", R"("embed_dim": 9223372036854775807)", "embed_dim");
    tower("qwen2_vl", R"("num_heads": 0)", "num_heads");
    tower("qwen2_vl", R"("num_heads": 3)", "num_heads");
    tower("qwen2_vl", R"("num_heads": 8)",
          "num_heads");  // a head of 2 cannot turn by rows and by columns
    tower("qwen2_vl", R"("patch_size": 0)", "patch_size");
    tower("qwen2_vl", R"("patch_size": -14)", "patch_size");
    tower("qwen2_vl", R"("spatial_merge_size": 0)", "spatial_merge_size");
    tower("qwen2_vl", R"("spatial_merge_size": 4096)", "spatial_merge_size");
    tower("qwen2_vl", R"("spatial_merge_size": 64, "embed_dim": 65536)", "spatial_merge_size");
    tower("qwen2_vl", R"("temporal_patch_size": 0)", "temporal_patch_size");
    tower("qwen2_vl", R"("in_channels": 1)", "in_channels");
    tower("qwen2_vl", R"("mlp_ratio": 0)", "mlp_ratio");
    tower("qwen2_vl", R"("mlp_ratio": -4)", "mlp_ratio");
    tower("qwen2_vl", R"("mlp_ratio": 1e300)", "mlp_ratio");
    tower("qwen2_vl", R"("hidden_act": "swirl")", "hidden_act");
    tower("qwen2_vl", R"("hidden_size": 24)", "hidden_size");
    tower("qwen2_vl", R"("rope_parameters": {"rope_theta": 0})", "rope_parameters.rope_theta");
    tower("qwen2_vl", R"("rope_parameters": 7)", "rope_parameters");
    tower("qwen2_5_vl", R"("window_size": 0)", "window_size");
    tower("qwen2_5_vl", R"("window_size": 3)", "window_size");
    tower("qwen2_5_vl", R"("window_size": -112)", "window_size");
    tower("qwen2_5_vl", R"("fullatt_block_indexes": 7)", "fullatt_block_indexes");
    tower("qwen2_5_vl", R"("fullatt_block_indexes": ["7"])", "fullatt_block_indexes");
    tower("qwen2_5_vl", R"("intermediate_size": 0)", "intermediate_size");
    tower("qwen2_5_vl", R"("out_hidden_size": 17)", "out_hidden_size");
    tower("qwen3_vl", R"("num_position_embeddings": 0)", "num_position_embeddings");
    tower("qwen3_vl", R"("num_position_embeddings": 1099511627776)", "num_position_embeddings");
    tower("qwen3_vl", R"("deepstack_visual_indexes": {"0": 1})", "deepstack_visual_indexes");
    tower("qwen3_vl", R"("deepstack_visual_indexes": [0.5])", "deepstack_visual_indexes");
    std::string many = R"("deepstack_visual_indexes": [0)";
    for (int i = 0; i < 5000; ++i) many += ",0";
    tower("qwen3_vl", many + "]", "deepstack_visual_indexes");
    add("qwen2_vl", R"({"vision_config": []})", "vision_config");
    add("qwen2_vl", R"({"text_config": "flat"})", "text_config");
    add("qwen2_vl", R"({"image_token_id": 40})", "image_token_id");
    add("qwen2_vl", R"({"image_token_id": -1})", "image_token_id");
    add("qwen2_vl", R"({"text_config": {"rope_scaling": {"mrope_section": [2, 1, 2]}}})",
        "mrope_section");
    add("qwen2_5_vl", R"({"text_config": {"rope_scaling": {"mrope_section": [2, 2]}}})",
        "mrope_section");
    add("qwen3_vl", R"({"text_config": {"rope_scaling": {"mrope_section": [2, 1, -1]}}})",
        "mrope_section");
    add("qwen3_vl", R"({"text_config": {"num_attention_heads": 0}})", "num_attention_heads");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, type);
    QFETCH(QString, patch);
    QFETCH(QString, field);
    QVERIFY(read(type.toStdString(), Json::object()).ok());
    const auto options = read(type.toStdString(), Json::parse(patch.toStdString()));
    QVERIFY2(!options.ok(), qPrintable(patch));
    const QString sentence = QString::fromStdString(options.error().sentence());
    QVERIFY2(sentence.contains("config.json: ") && sentence.contains(field), qPrintable(sentence));
  }

  void layers_beyond_the_tower_are_never_reached() {
    const auto options =
        read("qwen3_vl", {{"vision_config", {{"deepstack_visual_indexes", {8, 1, -1, 1, 0}}}}});
    QVERIFY(options.ok());
    const auto reached = options->vision.reached();
    QCOMPARE(reached.size(), std::size_t{2});
    QCOMPARE(reached[0].layer, std::int64_t{0});
    QCOMPARE(reached[0].merger, std::size_t{4});
    QCOMPARE(reached[1].layer, std::int64_t{1});
    QCOMPARE(reached[1].merger, std::size_t{1});
    QVERIFY(
        read("qwen2_5_vl", {{"vision_config", {{"fullatt_block_indexes", {7, 15, 23, 31}}}}}).ok());
  }

  void flat_and_nested_files_say_the_same() {
    Json flat = base_config("qwen2_vl");
    const Json text = flat["text_config"];
    flat.erase("text_config");
    for (const auto& [key, value] : text.items()) flat[key] = value;
    flat["tie_word_embeddings"] = true;
    const auto options = read_qwen_vl_options(qwen2_vl_generation, flat, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->text.hidden_size, std::int64_t{16});
    QCOMPARE(options->text.rotary.sections, (std::vector<std::int64_t>{2, 1, 1}));
    QVERIFY(options->tie_word_embeddings);
    const auto inside = read("qwen2_vl", {{"text_config", {{"tie_word_embeddings", true}}}});
    QVERIFY(inside.ok() && inside->tie_word_embeddings);  // where releases before 5 put it
    const auto third = read("qwen3_vl", {{"text_config", {{"tie_word_embeddings", true}}}});
    QVERIFY(third.ok() && !third->tie_word_embeddings);
  }

  void names_of_both_generations() {
    const std::string block = "model.visual.blocks.0.attn.qkv.weight",
                      layer = "model.language_model.layers.1.mlp.up_proj.weight";
    QCOMPARE(qwen_memory_name("visual.blocks.0.attn.qkv.weight"), block);
    QCOMPARE(qwen_memory_name("model.layers.1.mlp.up_proj.weight"), layer);
    for (const std::string& name : {block, layer, std::string("lm_head.weight")}) {
      QCOMPARE(qwen_memory_name(name), name);
      QCOMPARE(qwen_memory_name(qwen_old_name(name)), name);
    }
    QCOMPARE(qwen_old_name(layer), std::string("model.layers.1.mlp.up_proj.weight"));
  }

  void windows_cover_every_patch_once() {
    const std::vector<QwenGrid> grids{
        {1, 6, 10}, {2, 2, 2}};  // 3 × 5 blocks; a film of two frames of one block
    const WindowOrder order = window_order(grids, 2, 2);
    QCOMPARE(order.lengths, (std::vector<std::int64_t>{16, 16, 8, 8, 8, 4, 4, 4}));
    QVERIFY(order.there.index_select(0, order.back).equal(torch::arange(68, torch::kInt64)));
    const torch::Tensor at = patch_coordinates(grids, 2).index_select(0, order.there);
    const auto second = at.slice(0, 16, 32);  // rows 0 to 3, columns 4 to 7
    QCOMPARE(numbers(second.amin(0)), (std::vector<std::int64_t>{0, 4}));
    QCOMPARE(numbers(second.amax(0)), (std::vector<std::int64_t>{3, 7}));
    const auto corner = at.slice(0, 56, 60);  // what is left at the far corner
    QCOMPARE(numbers(corner), (std::vector<std::int64_t>{4, 8, 4, 9, 5, 8, 5, 9}));
    QCOMPARE(frame_lengths(grids), (std::vector<std::int64_t>{60, 4, 4}));
  }

  void learned_positions_are_stretched_from_corner_to_corner() {
    const PositionTaps taps =
        position_taps({{1, 1, 3}, {1, 7, 1}}, 1, 4);  // a row of 3, a column of 7, over 4 × 4
    torch::Tensor value = torch::zeros({10, 1}), sum = torch::zeros({10, 1});
    const torch::Tensor grid = torch::arange(16, torch::kFloat32);
    for (std::size_t tap = 0; tap < 4; ++tap) {
      value = value + grid.index_select(0, taps.indices[tap]).unsqueeze(1) * taps.weights[tap];
      sum = sum + taps.weights[tap];
    }
    QVERIFY(sum.allclose(torch::ones({10, 1})));
    const torch::Tensor expected =
        torch::tensor({0.0, 1.5, 3.0, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0}, torch::kFloat32)
            .unsqueeze(1);
    QVERIFY(value.allclose(expected));
    QVERIFY(
        position_taps({{1, 2, 2}}, 2, 1).weights[0].equal(torch::ones({4, 1})));  // a table of one
  }

  /// As torch's grid_sample over the same grid.
  void learned_positions_are_bent_through_the_middles_of_cells() {
    for (const std::int64_t side : {1, 3, 5}) {
      const std::vector<QwenGrid> grids{{1, 2, 6}, {1, 8, 4}};
      const PositionTaps taps = cubic_position_taps(grids, 2, side);
      QCOMPARE(taps.indices.size(), std::size_t{16});
      const torch::Tensor grid = torch::rand({side * side});
      torch::Tensor value = torch::zeros({44, 1});
      for (std::size_t tap = 0; tap < 16; ++tap)
        value = value + grid.index_select(0, taps.indices[tap]).unsqueeze(1) * taps.weights[tap];
      std::int64_t first = 0;
      for (const QwenGrid& each : grids) {
        const torch::Tensor at = patch_coordinates({each}, 2);
        const torch::Tensor size = torch::tensor({each.rows, each.columns}, torch::kFloat32);
        const torch::Tensor wanted =
            at::grid_sampler_2d(grid.view({1, 1, side, side}),
                                (((at + 0.5) / size) * 2 - 1).flip(1).view({1, -1, 1, 2}),
                                /*bicubic=*/2, /*border=*/1, false);
        const std::int64_t count = each.rows * each.columns;
        QVERIFY(value.slice(0, first, first + count).allclose(wanted.view({-1, 1}), 1e-5, 1e-5));
        first += count;
      }
    }
  }

  void text_goes_on_after_the_longer_side_of_a_picture() {
    // text, a picture of 2 × 3 tokens, text; then a row of text alone; then a picture at the row's
    // very end
    const std::vector<std::int64_t> row{1, 2, 7, 7, 7, 7, 7, 7, 3}, plain{4, 5}, last{6, 7};
    std::vector<std::int64_t> ids = row;
    ids.insert(ids.end(), plain.begin(), plain.end());
    ids.insert(ids.end(), last.begin(), last.end());
    const std::vector<std::int64_t> lengths{9, 2, 2};
    const MropePositions found = mrope_positions(torch::tensor(ids, torch::kInt64), lengths,
                                                 {{1, 4, 6}, {1, 2, 2}}, 7, -1, 2);
    QCOMPARE(numbers(found.positions),
             (std::vector<std::int64_t>{0, 1, 2, 2, 2, 2, 2, 2, 5, 0, 1, 0, 1, 0, 1, 2, 2, 2, 3, 3,
                                        3, 5, 0, 1, 0, 1, 0, 1, 2, 3, 4, 2, 3, 4, 5, 0, 1, 0, 1}));
    QCOMPARE(numbers(found.offsets), (std::vector<std::int64_t>{-3, 0, 0}));
    QVERIFY_THROWS_EXCEPTION(c10::Error, mrope_positions(torch::tensor(ids, torch::kInt64), lengths,
                                                         {{1, 4, 6}}, 7, -1, 2));
    QVERIFY_THROWS_EXCEPTION(c10::Error, mrope_positions(torch::tensor(ids, torch::kInt64), lengths,
                                                         {{1, 4, 6}, {1, 4, 2}}, 7, -1, 2));
  }

  /// The frames of a film are a step apart; text goes on after rows and columns all the same, which
  /// may be before the last frame, and so does what is decoded.
  void a_film_takes_its_time() {
    const std::vector<std::int64_t> ids{1, 8, 8, 8, 8, 7, 3};  // two frames of 1 × 2, a picture
    const MropePositions found =
        mrope_positions(torch::tensor(ids, torch::kInt64), {7}, {{2, 2, 4, 5}, {1, 2, 2}}, 7, 8, 2);
    QCOMPARE(numbers(found.positions), (std::vector<std::int64_t>{0, 1, 1, 6, 6, 3, 4, 0, 1, 1, 1,
                                                                  1, 3, 4, 0, 1, 2, 1, 2, 3, 4}));
    QCOMPARE(numbers(found.offsets), (std::vector<std::int64_t>{5 - 7}));
  }

  void grids_that_do_not_divide_are_refused() {
    QVERIFY_THROWS_EXCEPTION(c10::Error, qwen_grids({{12, {1, 3, 4}}}, 2));
    QVERIFY_THROWS_EXCEPTION(c10::Error, qwen_grids({{0, {1, 0, 4}}}, 2));
    QVERIFY_THROWS_EXCEPTION(c10::Error, qwen_grids({{12, {3, 4}}}, 2));
    QCOMPARE(qwen_grids({{24, {1, 4, 6}}}, 2).front().columns, std::int64_t{6});
  }

  void a_processor_for_other_patches_is_refused_data() {
    QTest::addColumn<QString>("settings");
    QTest::addColumn<QString>("field");
    const QString qwen =
        R"({"image_processor_type": "Qwen2VLImageProcessor", "temporal_patch_size": 2, )"
        R"("merge_size": %1, "patch_size": %2})";
    QTest::newRow("right") << qwen.arg(2).arg(2) << "";
    QTest::newRow("patches") << qwen.arg(2).arg(14) << "patch_size";
    QTest::newRow("blocks") << qwen.arg(3).arg(2) << "merge_size";
    QTest::newRow("another kind")
        << R"({"image_processor_type": "CLIPImageProcessor", "patch_size": 2, "merge_size": 2})"
        << "image_processor_type";
  }
  void a_processor_for_other_patches_is_refused() {
    QFETCH(QString, settings);
    QFETCH(QString, field);
    const QTemporaryDir folder;
    const std::filesystem::path path = folder.path().toStdString();
    write_text(path / "preprocessor_config.json", settings.toStdString());
    const auto tokens = qwen2_vl_family.read(base_config("qwen2_vl"), path)->pictures->tokens(path);
    QVERIFY2(tokens.ok() == field.isEmpty(), tokens ? "" : tokens.error().sentence().c_str());
    if (!tokens) {
      QVERIFY2(QString::fromStdString(tokens.error().sentence())
                   .contains("preprocessor_config.json: " + field),
               tokens.error().sentence().c_str());
      return;
    }
    QCOMPARE(tokens->mark, std::string("<|image_pad|>"));
    QCOMPARE(tokens->expand({{}, {24, 24}, {1, 4, 6}}),
             std::string(
                 "<|image_pad|><|image_pad|><|image_pad|><|image_pad|><|image_pad|><|image_pad|>"));
  }

  void films_are_written_as_each_generation_does_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("written");
    QTest::newRow("one run") << "qwen2_vl"
                             << "VVVV";
    QTest::newRow("one run, times in positions") << "qwen2_5_vl"
                                                 << "VVVV";
    QTest::newRow("step by step") << "qwen3_vl"
                                  << "<0.2 seconds>[VV]<12.5 seconds>[VV]";
  }
  void films_are_written_as_each_generation_does() {
    QFETCH(QString, type);
    QFETCH(QString, written);
    const QTemporaryDir folder;
    const std::filesystem::path path = folder.path().toStdString();
    write_text(path / "preprocessor_config.json",
               R"({"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 2})");
    Json config = base_config(type.toStdString());
    const auto tokens_of = [&] {
      return family(type.toStdString()).read(config, path)->pictures->tokens(path);
    };
    QVERIFY(!tokens_of()->films);  // its token would be outside the vocabulary
    config["video_token_id"] = 8;
    const auto tokens = tokens_of();
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QVERIFY(tokens->films);
    QCOMPARE(tokens->films->token_id, TokenId{8});
    written.replace("V", "<|video_pad|>");
    written.replace("[", "<|vision_start|>").replace("]", "<|vision_end|>");
    const PixelValues film{{}, {16, 24}, {2, 2, 4}, FilmTimes{1, {0.25, 12.5}}};
    QCOMPARE(QString::fromStdString(tokens->films->expand(film)), written);
    // One that cuts other patches, or merges others, is another model's.
    const auto check = [&](const char* fields) {
      const auto processor = FilmProcessor::create(
          Json::parse(std::string(R"({"video_processor_type": "Qwen2VLVideoProcessor", )") +
                      fields + "}"),
          "v.json");
      return tokens->films->check(**processor).ok();
    };
    QVERIFY(check(R"("patch_size": 2)"));
    QVERIFY(!check(R"("patch_size": 4)") && !check(R"("patch_size": 2, "merge_size": 1)"));
  }

  /// A file may say anything of a token that it has no film for.
  void a_films_token_is_text_where_there_is_no_film() {
    for (const bool film : {false, true}) {
      Json config = base_config("qwen2_vl");
      config["video_token_id"] = 2;
      const auto model = qwen2_vl_family.read(config, "")->made(torch::TensorOptions());
      ModelInput input;
      input.input_ids = torch::tensor(std::vector<std::int64_t>{1, 7, 2, 3, 2}, torch::kInt64);
      input.lengths = {5};
      input.pictures = {{4, {1, 2, 2}}};
      if (film) {
        input.input_ids = torch::tensor(std::vector<std::int64_t>{1, 7, 2, 2, 3}, torch::kInt64);
        input.pictures.push_back({8, {2, 2, 2}, 1.0});
      }
      model->prepare(input);
      QCOMPARE(input.aside.at("image_places").size(0), std::int64_t{film ? 3 : 1});
    }
  }

  /// Where each step stands by itself in the text, each is placed as a picture of its own.
  void steps_apart_are_pictures_of_their_own() {
    Json config = base_config("qwen3_vl");
    config["video_token_id"] = 8;
    const auto model = qwen3_vl_family.read(config, "")->made(torch::TensorOptions());
    ModelInput film, pictures;
    film.input_ids =
        torch::tensor(std::vector<std::int64_t>{1, 8, 8, 2, 3, 8, 8, 4}, torch::kInt64);
    pictures.input_ids =
        torch::tensor(std::vector<std::int64_t>{1, 7, 7, 2, 3, 7, 7, 4}, torch::kInt64);
    film.lengths = pictures.lengths = {8};
    film.pictures = {{16, {2, 2, 4}, 0.5}};
    pictures.pictures = {{8, {1, 2, 4}}, {8, {1, 2, 4}}};
    model->prepare(film), model->prepare(pictures);
    QVERIFY(film.aside.at("axes").equal(pictures.aside.at("axes")));
    QVERIFY(film.aside.at("position_offsets").equal(pictures.aside.at("position_offsets")));
  }

  void narrow_weights_pass_through_data() {
    QTest::addColumn<QString>("type");
    for (const char* type : {"qwen2_vl", "qwen2_5_vl", "qwen3_vl"}) QTest::newRow(type) << type;
  }
  void narrow_weights_pass_through() {
    QFETCH(QString, type);
    const torch::NoGradGuard no_grad;
    ModelInput input;
    input.input_ids =
        torch::tensor(std::vector<std::int64_t>{1, 7, 7, 7, 7, 7, 7, 2, 3, 4, 7, 2}, torch::kInt64);
    input.lengths = {8, 4};
    input.pictures = {{24, {1, 4, 6}}, {4, {1, 2, 2}}};
    torch::manual_seed(3);
    input.pixel_values = torch::randn({28, 24});
    torch::Tensor states[2];
    for (const auto dtype : {torch::kFloat32, torch::kBFloat16}) {
      const auto plan = family(type.toStdString()).read(base_config(type.toStdString()), "");
      QVERIFY2(plan.ok(), plan ? "" : plan.error().sentence().c_str());
      const auto model = plan->made(torch::TensorOptions().dtype(dtype));
      auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
      for (torch::Tensor& parameter : model->parameters()) {
        parameter.copy_(
            torch::empty(parameter.sizes()).normal_(0, 0.3, generator).to(torch::kBFloat16));
      }
      const torch::Tensor features = model->picture_tower()->tower(input);
      QCOMPARE(features.size(0), std::int64_t{28});
      QVERIFY(features.scalar_type() == dtype);
      ModelInput kept = input;  // as a frozen tower's features come back
      kept.tower_features = features, kept.pixel_values = torch::Tensor();
      torch::Tensor& found = states[dtype == torch::kBFloat16];
      found = model->decode(model->embed(kept), nullptr);
      QVERIFY(found.scalar_type() == dtype && found.isfinite().all().item<bool>());
      QVERIFY(found.equal(model->decode(model->embed(input), nullptr)));
    }
    const double apart =
        ((states[0] - states[1].to(torch::kFloat32)).norm() / states[0].norm()).item<double>();
    QVERIFY2(apart < 0.1, qPrintable(QString::number(apart)));
  }
};

QTEST_APPLESS_MAIN(TestQwenVl)
#include "test_qwen_vl.moc"
