// SPDX-License-Identifier: GPL-3.0-or-later
// What LLaVA-OneVision does to pictures that LLaVA-NeXT does not, on grids that one can check by
// hand: lines over very many tiles are shrunk as torch interpolates and as Python divides, and a
// picture among several is one frame. Its refusals are tests/models/test_tiled_families.cpp's.
#include "engine/models/llava_next/llava_onevision.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <fstream>

using namespace luthier;

namespace {

using Numbers = std::vector<std::int64_t>;

const Json pinpoints = {{16, 32}, {32, 16}, {32, 32}};
const Json processor_settings = {{"image_processor_type", "LlavaOnevisionImageProcessor"},
                                 {"size", {{"height", 16}, {"width", 16}}},
                                 {"image_grid_pinpoints", pinpoints}};
// Neither half says its model_type, which is the family's then.
const Json config = {{"model_type", "llava_onevision"},
                     {"image_token_id", 7},
                     {"image_grid_pinpoints", pinpoints},
                     {"vision_aspect_ratio", "anyres_max_1"},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1}}},
                     {"vision_config",
                      {{"hidden_size", 8},
                       {"intermediate_size", 12},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"image_size", 16},
                       {"patch_size", 4}}}};

/// A row that is these pictures alone.
ModelInput pictures_alone(const std::vector<PictureFacts>& pictures, std::size_t tokens) {
  ModelInput input;
  std::int64_t frames = 0;
  for (const PictureFacts& picture : pictures) frames += picture.rows;
  input.pictures = pictures;
  input.pixel_values = torch::rand({frames, 3, 16, 16});
  input.input_ids = torch::full({static_cast<std::int64_t>(tokens)}, 7, torch::kInt64);
  input.lengths = {static_cast<std::int64_t>(tokens)};
  return input;
}

}  // namespace

class TestLlavaOnevision : public QObject {
  Q_OBJECT

 private slots:
  void shrinks_lines_over_many_tiles() {
    const QTemporaryDir temporary;
    const std::filesystem::path folder = temporary.path().toStdString();
    std::ofstream(folder / "preprocessor_config.json") << processor_settings.dump();
    const auto plan = llava_onevision_family.read(config, folder);
    QVERIFY2(plan.ok(), plan ? "" : plan.error().sentence().c_str());
    const auto tokens = plan->pictures->tokens(folder);
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    const auto model = plan->made(torch::TensorOptions());
    torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      const bool end = item.key() == "model.image_newline";
      const bool projector = item.key().starts_with("model.multi_modal_projector.");
      end ? item.value().fill_(1) : projector ? item.value().zero_() : item.value().normal_();
    }
    // Of one tile's 16 features: 4 lines of 8 are divided by the root of 2, 8 lines of 8 by 2, and
    // 2 lines of 8 stay. A picture among several is its frame and one end.
    const std::vector<PictureFacts> pictures{
        {3, {16, 32}}, {5, {32, 32}}, {3, {8, 32}}, {1, {16, 32}}};
    std::vector<float> expected;
    for (const auto& [lines, columns] : {std::pair{2, 5}, {4, 4}, {2, 8}, {1, 0}}) {
      expected.insert(expected.end(), 16, 0.0F);
      for (int line = 0; line < lines; ++line) {
        expected.insert(expected.end(), static_cast<std::size_t>(columns), 0.0F);
        expected.push_back(1);
      }
    }
    std::size_t count = 0;
    for (const PictureFacts& picture : pictures)
      count += tokens->expand({{}, {picture.rows, 3, 16, 16}, picture.grid}).size() / 7;
    QCOMPARE(count, expected.size());
    const torch::Tensor made = model->embed(pictures_alone(pictures, count)).embeddings;
    QVERIFY(made.select(1, 0).equal(torch::tensor(expected)));
    QVERIFY_THROWS_EXCEPTION(std::exception, model->embed(pictures_alone({{4, {16, 32}}}, 28)));
  }

  /// Each frame as one picture among several gives its features; a film's are those at half a side.
  void a_films_frames_are_halved_and_closed_by_one_end() {
    const QTemporaryDir temporary;
    const std::filesystem::path folder = temporary.path().toStdString();
    std::ofstream(folder / "preprocessor_config.json") << processor_settings.dump();
    Json with_films = config;
    with_films["video_token_index"] = 8;
    const auto plan = llava_onevision_family.read(with_films, folder);
    QVERIFY2(plan.ok(), plan ? "" : plan.error().sentence().c_str());
    const auto tokens = plan->pictures->tokens(folder);
    QVERIFY(tokens.ok() && tokens->films && tokens->films->token_id == 8);
    QCOMPARE(tokens->films->expand({{}, {3, 3, 16, 16}, {3}}).size(),
             13 * tokens->films->mark.size());
    for (const auto& [size, fits] : {std::pair{16, true}, {20, false}}) {
      const Json settings = {{"video_processor_type", "LlavaOnevisionVideoProcessor"},
                             {"size", {{"height", size}, {"width", size}}}};
      const auto processor = FilmProcessor::create(settings, "v.json");
      QVERIFY(processor.ok());
      QCOMPARE(tokens->films->check(**processor).ok(), fits);
    }
    const auto model = plan->made(torch::TensorOptions());
    torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) item.value().normal_(0, 0.3);
    ModelInput frames = pictures_alone({{1, {9, 9}}, {1, {9, 9}}, {1, {9, 9}}}, 51);
    const torch::Tensor alone = model->embed(frames).embeddings.view({3, 17, 16});
    ModelInput film = frames;
    film.pictures = {PictureFacts{3, {3}}};
    film.pictures.front().step_seconds = 0.5;
    film.input_ids = torch::full({13}, 8, torch::kInt64);
    film.lengths = {13};
    const torch::Tensor grid =
        alone.slice(1, 0, 16).transpose(1, 2).reshape({3, 16, 4, 4}).contiguous();
    const torch::Tensor halved = at::upsample_bilinear2d(grid, {2, 2}, false);
    const torch::Tensor wanted = torch::cat(
        {halved.flatten(2).transpose(1, 2).reshape({12, 16}), alone[0].slice(0, 16, 17)});
    QVERIFY(torch::allclose(model->embed(film).embeddings, wanted, 1e-5, 1e-6));
  }

  void features_between_are_torchs() {
    for (std::int64_t in = 1; in < 40; ++in) {
      for (std::int64_t out = 1; out <= in; ++out) {
        const torch::Tensor line = torch::rand({1, 1, in});
        const torch::Tensor wanted = at::upsample_linear1d(line, {out}, false);
        std::int64_t at = 0;
        for (const Between& place : betweens(in, out)) {
          const float made = line[0][0][place.first].item<float>() * (1 - place.share) +
                             line[0][0][place.second].item<float>() * place.share;
          QVERIFY(std::abs(made - wanted[0][0][at++].item<float>()) < 1e-5F);
        }
        QCOMPARE(at, out);
      }
    }
  }

  /// `picture` as height and width, in a canvas of tiles of 10.
  void lines_are_divided_as_python_does_data() {
    QTest::addColumn<Numbers>("cut");  // most tiles, their side, the canvas's height and width
    QTest::addColumn<Numbers>("picture");
    QTest::addColumn<Numbers>("lines");
    const auto add = [](const char* name, Numbers cut, Numbers picture, Numbers lines) {
      QTest::newRow(name) << std::move(cut) << std::move(picture) << std::move(lines);
    };
    add("a whole quotient", {1, 27, 20, 20}, {50, 50}, {27, 27});
    add("one of many tiles", {9, 27, 60, 60}, {60, 60}, {81, 81});
    add("a padding left out before", {9, 27, 60, 60}, {61, 60}, {81, 80});
    add("as many as there may be", {4, 27, 20, 20}, {50, 50}, {54, 54});
    add("a few more", {3, 27, 20, 20}, {50, 50}, {46, 46});
    add("no line at all", {1, 2, 10, 80}, {1, 800}, {0, 16});
    add("lines of which none would be left", {1, 2, 10, 80}, {10, 160}, {1, 5});
  }
  void lines_are_divided_as_python_does() {
    QFETCH(Numbers, cut);
    QFETCH(Numbers, picture);
    QFETCH(Numbers, lines);
    const PictureCut how{{{cut[3], cut[2]}}, 10, cut[1], cut[0]};
    const PictureLines made = picture_lines(how, 2, picture);
    QCOMPARE((Numbers{made.rows, made.columns}), lines);
  }

  void several_pictures_are_not_cut() {
    const auto made = ImageProcessor::create(processor_settings, "settings");
    QVERIFY(made.ok());
    const auto frames = [&](std::size_t pictures) {
      return (*made)->among(pictures).outline(32, 30)->shape.front();
    };
    QCOMPARE(frames(1), std::int64_t{5});
    QCOMPARE(frames(2), std::int64_t{1});
    const auto next =
        ImageProcessor::create({{"image_processor_type", "LlavaNextImageProcessor"}}, "settings");
    QVERIFY(&(*next)->among(2) == next->get());
  }

  /// What config.json leaves out is LlavaOnevisionConfig's, not LlavaConfig's.
  void completes_what_the_file_leaves_out() {
    Json bare = config;
    for (const char* key : {"image_grid_pinpoints", "vision_aspect_ratio", "vision_config"})
      bare.erase(key);
    const auto options = read_llava_onevision_options(bare, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->cut.pinpoints.size(), std::size_t{36});
    QCOMPARE(options->cut.most_tiles, std::int64_t{9});
    QCOMPARE(options->cut.side, std::int64_t{27});
    QCOMPARE(options->llava.vision_feature_layers, Numbers{-1});
    QVERIFY(!options->llava.drop_first_feature && !options->llava.vision.pooling_head);
    QVERIFY(options->llava.text.model_type == "qwen2");
    bare.erase("image_token_id");
    QCOMPARE(read_llava_onevision_options(bare, "config.json").error().where,
             std::string("config.json: image_token_index"));  // 151646 of 40 words
  }
};

QTEST_APPLESS_MAIN(TestLlavaOnevision)
#include "test_llava_onevision.moc"
