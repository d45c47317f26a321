// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Gemma 4's unified model: refusals of configurations and processors that
// do not hold together, what files leave out, names in files, how a picture is written, patches
// beside the same operations by hand, who sees whom among a picture's tokens, what the model says
// that it keeps beside what the counting allocator saw.
#include "engine/models/gemma4/unified.h"

#include <torch/csrc/autograd/autograd.h>

#include "engine/device/memory.h"
#include "engine/models/families.h"
#include "engine/models/model_summary.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <fstream>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

constexpr TokenId kPicture = 37, kFilm = 38, kSound = 39;

const Json config = {{"model_type", "gemma4_unified"},
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
                       {"sliding_window", 2},
                       {"pad_token_id", 4},
                       {"layer_types", {"sliding_attention", "full_attention"}}}},
                     {"vision_config",
                      {{"patch_size", 2},
                       {"pooling_kernel_size", 2},
                       {"mm_embed_dim", 12},
                       {"output_proj_dims", 12},
                       {"mm_posemb_size", 10}}}};

Json with(const Json& patch) { return merged(config, patch); }

Result<Gemma4UnifiedOptions> read(const Json& patch) {
  return read_gemma4_unified_options(with(patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  const auto plan = gemma4_unified_family.read(with(patch), "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  for (auto& item : model->named_parameters()) item.value().normal_(0, 0.4);
  return model;
}

using Grids = std::vector<std::pair<std::int64_t, std::int64_t>>;

/// A row that is pictures of so many rows and columns of patches alone, with a token between them.
ModelInput pictures_of(const Grids& grids) {
  ModelInput input;
  std::vector<Tensor> ids;
  std::int64_t patches = 0;
  for (const auto& [rows, columns] : grids) {
    input.pictures.push_back({rows * columns, {1, rows, columns, 1, 70}});
    patches += rows * columns;
    ids.push_back(torch::full({rows * columns}, kPicture, torch::kInt64));
    ids.push_back(torch::full({1}, 9, torch::kInt64));
  }
  input.pixel_values = torch::rand({patches, 48});
  input.input_ids = at::cat(ids);
  input.lengths = {input.input_ids.size(0)};
  return input;
}

fs::path tests_files() { return files_of(gemma4_unified_family); }

Result<ImageTokens> tokens_in(const fs::path& folder) {
  return tokens_of(gemma4_unified_family, folder);
}

/// Which tokens' states change with the embedding of the token at `place`, among seven of which
/// the second to the fifth are one picture.
std::string seen_from(Model& model, std::int64_t place) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(8);
  TokenSequence sequence;
  sequence.rows = RowLayout({7});
  sequence.embeddings = torch::randn({7, 16});
  sequence.blocks = torch::tensor({-1L, 0L, 0L, 0L, 0L, -1L, -1L}, torch::kInt64);
  const Tensor before = model.decode(sequence, nullptr);
  sequence.embeddings = sequence.embeddings.clone();
  sequence.embeddings[place].add_(torch::randn({16}));
  const Tensor changed = (model.decode(sequence, nullptr) - before).abs().amax(1) > 1e-6;
  std::string seen;
  for (std::int64_t token = 0; token < 7; ++token) seen += changed[token].item<bool>() ? 'x' : '.';
  return seen;
}

}  // namespace

class TestGemma4Unified : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": null})", "vision_config");
    add(R"({"audio_config": 3})", "audio_config");
    add(R"({"vision_config": {"model_type": "gemma4_vision"}})", "vision_config: model_type");
    add(R"({"vision_config": {"patch_size": 0}})", "vision_config: patch_size");
    add(R"({"vision_config": {"pooling_kernel_size": 65}})", "vision_config: pooling_kernel_size");
    add(R"({"vision_config": {"mm_posemb_size": 0}})", "vision_config: mm_posemb_size");
    add(R"({"vision_config": {"mm_embed_dim": 13}})", "vision_config: output_proj_dims");
    add(R"({"vision_config": {"output_proj_dims": null}})", "vision_config: output_proj_dims");
    add(R"({"vision_config": {"rms_norm_eps": "small"}})", "vision_config: rms_norm_eps");
    add(R"({"image_token_id": -1})", "image_token_id");
    add(R"({"video_token_id": "film"})", "video_token_id");
    add(R"({"tie_word_embeddings": 1})", "tie_word_embeddings");
    add(R"({"initializer_range": "wide"})", "initializer_range");
    add(R"({"text_config": {"model_type": "gemma4_text"}})", "text_config: model_type");
    add(R"({"text_config": {"pad_token_id": 40}})", "text_config: pad_token_id");
    add(R"({"text_config": {"pad_token_id": -1}})", "text_config: pad_token_id");
    add(R"({"text_config": {"use_bidirectional_attention": "all"}})",
        "text_config: use_bidirectional_attention");
    add(R"({"text_config": {"use_bidirectional_attention": "some"}})",
        "text_config: use_bidirectional_attention");
    add(R"({"text_config": {"sliding_window": 0}})", "text_config: sliding_window");
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
    QCOMPARE(options->vision.patch_values(), std::int64_t{48});
    QCOMPARE(options->other_media, (std::vector<TokenId>{kFilm, kSound}));
    QVERIFY(options->text.gemma4->picture_blocks && options->text.gemma4->blocks_everywhere);
    QVERIFY(!options->text.window_in_blocks);
    const auto causal = read({{"text_config", {{"use_bidirectional_attention", "vision"}}}});
    QVERIFY(causal->text.gemma4->picture_blocks);
    Json one_way = config;
    one_way["text_config"]["use_bidirectional_attention"] = nullptr;
    const auto none = read_gemma4_unified_options(one_way, "config.json");
    QVERIFY(!none->text.gemma4->picture_blocks && !none->text.gemma4->blocks_everywhere);
    // What other kinds of Gemma 4 have, these do not, whatever the file says.
    const auto more =
        read({{"text_config", {{"hidden_size_per_layer_input", 8}, {"enable_moe_block", true}}}});
    QVERIFY2(more.ok(), more ? "" : more.error().sentence().c_str());
    QVERIFY(more->text.gemma4->per_layer_width == 0 && !more->text.experts);
    QVERIFY(read({{"audio_config", {{"audio_embed_dim", 640}}}})->hears);
    const auto bare = read_gemma4_unified_options({{"vision_config", Json::object()}}, "");
    QVERIFY2(bare.ok(), bare ? "" : bare.error().sentence().c_str());
    QCOMPARE(bare->vision.patch_values(), std::int64_t{6912});
    QCOMPARE(bare->vision.width, std::int64_t{3840});
    QCOMPARE(bare->vision.positions, std::int64_t{1120});
    QCOMPARE(bare->text.sliding_windows.front(), std::optional<std::int64_t>(1024));
    QCOMPARE(bare->image_token_id, TokenId{258880});
    QCOMPARE(bare->other_media, (std::vector<TokenId>{258884, 258881}));
  }

  void what_is_saved_takes_no_sound() {
    Json hears = with({{"audio_config", {{"model_type", "gemma4_unified_audio"}}}});
    gemma4_unified_family.leave_out(hears);
    QVERIFY(hears.at("audio_config").is_null());
  }

  void names_in_files() {
    const auto model = build();
    const auto part = [&](const char* name) { return model->part_of(name); };
    const char* const projection =
        "model.embed_vision.multimodal_embedder.embedding_projection.weight";
    QCOMPARE(part(projection), std::string("projector"));
    QCOMPARE(part("model.embed_vision.pos_embedding"), std::string("vision_tower"));
    QCOMPARE(part("model.embed_vision.patch_dense.weight"), std::string("vision_tower"));
    QCOMPARE(part("model.language_model.norm.weight"), std::string("language_model"));
    const auto stored = [](const char* name) { return gemma4_unified_family.stored_name(name); };
    QCOMPARE(stored(projection), std::string("model.embed_vision.embedding_projection.weight"));
    QCOMPARE(stored("model.embed_vision.pos_embedding"),
             std::string("model.vision_embedder.pos_embedding"));
    QCOMPARE(stored("model.embed_vision.patch_ln1.bias"),
             std::string("model.vision_embedder.patch_ln1.bias"));
    QCOMPARE(stored("lm_head.weight"), std::string("lm_head.weight"));
    const auto names = model->named_parameters();
    QVERIFY(names.contains(projection) && names.contains("model.embed_vision.pos_norm.bias"));
    for (const auto& item : names) {
      const auto memory = [](const std::string& name) {
        return gemma4_unified_family.memory_name(name);
      };
      QCOMPARE(memory(gemma4_unified_family.stored_name(item.key())), item.key());
      QCOMPARE(memory(item.key()), item.key());
    }
  }

  void a_picture_is_written_between_its_marks() {
    const auto tokens = tokens_in(tests_files());
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<|image|>"));
    QCOMPARE(tokens->expand({{}, {3, 192}, {1, 1, 3, 1, 70}}),
             std::string("<|image><|image|><|image|><|image|><image|>"));
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"image_processor": {"patch_size": 8}})", "patch_size");
    add(R"({"image_processor": {"pooling_kernel_size": null}})", "pooling_kernel_size");  // 3
    add(R"({"image_processor": {"max_soft_tokens": 71}})", "max_soft_tokens");
    add(R"({"image_processor": {"max_soft_tokens": 140}})", "max_soft_tokens");
    add(R"({"image_processor": {"resample": 0}})", "resample");
    add(R"({"image_processor": {"image_processor_type": "Gemma4ImageProcessor"}})",
        "image_processor_type");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(gemma4_unified_family, folder, "processor_config.json",
                  Json::parse(patch.toStdString()));
    const auto tokens = tokens_in(folder);
    QVERIFY(!tokens.ok());
    QCOMPARE(QString::fromStdString(tokens.error().where),
             QString::fromStdString((folder / "processor_config.json").string()) +
                 ": image_processor: " + field);
  }

  /// Each patch by itself, with the places of its column and its row.
  void patches_as_by_hand() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    const auto names = model->named_parameters();
    const auto own = [&](const std::string& name) { return names["model.embed_vision." + name]; };
    const auto norm = [&](const Tensor& x, const std::string& name) {
      return at::layer_norm(x, {x.size(-1)}, own(name + ".weight"), own(name + ".bias"), 1e-5);
    };
    const ModelInput all = pictures_of({{2, 3}, {4, 1}, {1, 1}});
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor features = model->picture_tower()->tower(all);
    QVERIFY(at::allclose(features, model->picture_tower()->tower(prepared), 1e-5, 1e-6));
    const std::vector<std::pair<std::int64_t, std::int64_t>> places{
        {0, 0}, {1, 0}, {2, 0}, {0, 1}, {1, 1}, {2, 1}, {0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 0}};
    const Tensor table = own("pos_embedding");
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto patch = static_cast<std::int64_t>(i);
      Tensor x = norm(all.pixel_values[patch], "patch_ln1");
      x = norm(at::linear(x, own("patch_dense.weight"), own("patch_dense.bias")), "patch_ln2");
      x = norm(x + table[places[i].first][0] + table[places[i].second][1], "pos_norm");
      QVERIFY(at::allclose(features[patch], x, 1e-4, 1e-5));
    }
    const Tensor root = features.square().mean(1, true).add(1e-6).rsqrt();
    const Tensor wanted =
        at::linear(features * root, own("multimodal_embedder.embedding_projection.weight"));
    const Tensor places_of = (all.input_ids == kPicture).nonzero().squeeze(1);
    QVERIFY(
        at::allclose(model->embed(all).embeddings.index_select(0, places_of), wanted, 1e-4, 1e-5));
    QVERIFY_THROWS_EXCEPTION(std::exception, model->embed(pictures_of({{1, 11}})));
    ModelInput few = all;
    few.pixel_values = all.pixel_values.slice(0, 1);
    QVERIFY_THROWS_EXCEPTION(std::exception, model->embed(few));
  }

  void what_stands_for_media_is_padding_to_the_embeddings() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    ModelInput input;
    input.input_ids = torch::tensor({5L, kFilm, kSound, 6L}, torch::kInt64);
    input.lengths = {4};
    const Tensor embedded = model->embed(input).embeddings;
    input.input_ids = torch::tensor({5L, 4L, 4L, 6L}, torch::kInt64);
    QVERIFY(embedded.equal(model->embed(input).embeddings));
  }

  /// In full layers too, and past the window; where files say so a picture is read in its order.
  void a_pictures_tokens_see_one_another() {
    const Json one = {{"num_hidden_layers", 1}, {"layer_types", {"full_attention"}}};
    const auto whole = build({{"text_config", one}});
    QCOMPARE(seen_from(*whole, 4), std::string(".xxxxxx"));
    QCOMPARE(seen_from(*whole, 5), std::string(".....xx"));
    QCOMPARE(seen_from(*whole, 0), std::string("xxxxxxx"));
    // The last layer is always a full one: what it sees is told apart by an output that is 0.
    const auto slides = build();
    const torch::NoGradGuard no_grad;
    slides->named_parameters()["model.language_model.layers.1.self_attn.o_proj.weight"].zero_();
    QCOMPARE(seen_from(*slides, 4), std::string(".xxxxx."));
    QCOMPARE(seen_from(*slides, 1), std::string(".xxxx.."));
    QCOMPARE(seen_from(*slides, 0), std::string("xx....."));
    ModelInput input = pictures_of({{1, 2}, {2, 1}});
    const Tensor expected = torch::tensor({0L, 0L, -1L, 1L, 1L, -1L}, torch::kInt64);
    QVERIFY(slides->embed(input).blocks.equal(expected));
    slides->prepare(input);
    QVERIFY(slides->embed(input).blocks.equal(expected));
    Json one_way = config;
    one_way["text_config"]["use_bidirectional_attention"] = nullptr;
    const auto plan = gemma4_unified_family.read(one_way, "");
    QVERIFY(plan.ok());
    const auto causal = plan->made(torch::TensorOptions());
    for (Tensor& tensor : causal->parameters()) tensor.fill_(0.1);
    QVERIFY(!causal->embed(input).blocks.defined());
  }

  void as_the_allocator_counts_data() {
    QTest::addColumn<QStringList>("trained");
    QTest::newRow("all") << QStringList{"patch_ln1", "patch_dense", "patch_ln2", "", "pos_norm"};
    QTest::newRow("the product") << QStringList{"patch_dense"};
    QTest::newRow("places") << QStringList{""};
    QTest::newRow("the last norm") << QStringList{"pos_norm"};
  }
  void as_the_allocator_counts() {
    QFETCH(QStringList, trained);
    Gemma4UnifiedVisionOptions options;
    options.patch_size = 4, options.pooling = 2, options.width = 160, options.positions = 40;
    Gemma4UnifiedEmbedder embedder(options, 64, torch::TensorOptions());
    Pass pass;
    torch::manual_seed(3);
    for (Tensor& each : embedder.parameters()) {
      const torch::NoGradGuard no_grad;
      each.normal_(0, 0.1);
    }
    for (const QString& name : trained) {
      auto* module = dynamic_cast<ParameterModule*>(
          name.isEmpty() ? static_cast<torch::nn::Module*>(&embedder)
                         : embedder.named_children()[name.toStdString()].get());
      QVERIFY(module);
      TrainedShare share{true, true, 0};
      for (Tensor& tensor : module->parameters(/*recurse=*/false)) {
        tensor.set_requires_grad(true);
        share.parameters += tensor.numel();
      }
      pass.terms.trained[module] = share;
    }
    ModelInput input;
    input.pictures = {{240, {1, 12, 20, 1, 280}}};
    input.pixel_values = torch::rand({240, options.patch_values()});
    embedder.prepare(input);
    pass.pictures.patches = pass.pictures.tokens = 240;
    const TowerCost cost = embedder.cost(pass);
    QVERIFY(cost.trains && cost.flows);
    std::int64_t said_kept = 0, said = 0, gradients = 0;
    for (const Stage& stage : cost.stages) said_kept += stage.kept;
    std::int64_t before = said_kept;
    for (auto stage = cost.stages.rbegin(); stage != cost.stages.rend(); ++stage) {
      before -= stage->kept, gradients += stage->gradients;
      for (const Stage::Moment& moment : stage->moments)
        said = std::max(said, before + moment.left + moment.work + gradients);
    }
    // What comes from above is not kept here: a product with numbers that stand anyway.
    const Tensor weights = torch::rand({240, options.width});
    const auto loss = [&] { return (embedder.features(input) * weights).sum(); };
    loss().backward();  // what libraries keep for themselves
    for (Tensor& each : embedder.parameters()) each.mutable_grad().reset();
    const std::int64_t empty = memory_use(torch::kCPU).allocated;
    const Tensor last = loss();
    const std::int64_t kept = memory_use(torch::kCPU).allocated - empty;
    reset_memory_peak(torch::kCPU);
    last.backward();
    const std::int64_t seen = memory_use(torch::kCPU).peak - empty;
    const auto off = [](std::int64_t is, std::int64_t should) {
      return static_cast<double>(is) / static_cast<double>(should) - 1;
    };
    QVERIFY2(std::abs(off(said_kept, kept)) < 0.05 && std::abs(off(said, seen)) < 0.05,
             qPrintable(QString("kept: said %1, seen %2; at most: said %3, seen %4")
                            .arg(said_kept)
                            .arg(kept)
                            .arg(said)
                            .arg(seen)));
  }
};

QTEST_GUILESS_MAIN(TestGemma4Unified)
#include "test_gemma4_unified.moc"
