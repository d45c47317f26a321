// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of MiniCPM-V 4.6: refusals of configurations and processors that do not
// hold together, what files leave out, how a picture is written, in which order patches stand, that
// units of different grids do not meet, the tower and its mergers written out patch by patch, and
// what no gradient reaches.
#include "engine/models/minicpmv/minicpmv.h"

#include "engine/models/families.h"
#include "engine/models/model_summary.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>
#include <filesystem>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

using Grid = std::vector<std::int64_t>;

const Json config = {{"model_type", "minicpmv4_6"},
                     {"image_token_id", 7},
                     {"insert_layer_id", 0},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1},
                       {"head_dim", 8},
                       {"layer_types", {"full_attention"}},
                       {"rope_parameters",
                        {{"rope_type", "default"},
                         {"rope_theta", 10000.0},
                         {"partial_rotary_factor", 1.0},
                         {"mrope_section", {2, 1, 1}}}}}},
                     {"vision_config",
                      {{"hidden_size", 8},
                       {"intermediate_size", 10},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"image_size", 6},
                       {"patch_size", 2}}}};

Json with(const Json& patch) { return merged(config, patch); }

Result<MiniCpmVOptions> read(const Json& patch) {
  return read_minicpmv_options(with(patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  return drawn_model(minicpmv4_6_family, with(patch));
}

std::int64_t patches_of(const Grid& grid) {
  return grid[0] * grid[1] * grid[2] * grid[3] + grid[4] * grid[5];
}

/// A row that is pictures alone.
ModelInput pictures_of(const std::vector<Grid>& grids, std::int64_t patches_per_token = 16) {
  ModelInput input;
  std::int64_t patches = 0;
  for (const Grid& grid : grids) {
    input.pictures.push_back({patches_of(grid), grid});
    patches += patches_of(grid);
  }
  input.pixel_values = torch::rand({patches, 12});
  input.input_ids = torch::full({patches / patches_per_token}, 7, torch::kInt64);
  input.lengths = {patches / patches_per_token};
  return input;
}

std::vector<std::int64_t> numbers(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  const auto* data = flat.data_ptr<std::int64_t>();
  return {data, data + flat.numel()};
}

/// The model's parameters by the end of their names, for what is written out below.
class WrittenOut {
 public:
  explicit WrittenOut(Model& model) : parameters_(model.named_parameters()) {}

  const Tensor& of(const std::string& name) const { return parameters_["model." + name]; }
  Tensor product(const std::string& name, const Tensor& x) const {
    return at::linear(x, of(name + ".weight"), of(name + ".bias"));
  }
  Tensor norm(const std::string& name, const Tensor& x) const {
    return at::layer_norm(x, {x.size(-1)}, of(name + ".weight"), of(name + ".bias"), 1e-6);
  }
  /// Of all rows of x to one another, in two heads.
  Tensor attention(const std::string& name, const Tensor& x) const {
    const std::int64_t size = x.size(1) / 2;
    std::vector<Tensor> heads;
    for (std::int64_t head = 0; head < 2; ++head) {
      const auto part = [&](const char* which) {
        return product(name + which, x).slice(1, head * size, (head + 1) * size);
      };
      const Tensor scores =
          at::mm(part(".q_proj"), part(".k_proj").t()) / std::sqrt(static_cast<double>(size));
      heads.push_back(at::mm(scores.softmax(-1), part(".v_proj")));
    }
    return product(name + ".out_proj", at::cat(heads, 1));
  }
  Tensor layer(std::int64_t number, const Tensor& x) const {
    const std::string name = "vision_tower.encoder.layers." + std::to_string(number);
    const Tensor attended = x + attention(name + ".self_attn", norm(name + ".layer_norm1", x));
    const Tensor inner = product(name + ".mlp.fc1", norm(name + ".layer_norm2", attended));
    return attended + product(name + ".mlp.fc2", at::gelu(inner, "tanh"));
  }
  /// x [rows · columns, width] row by row → the four of each window, one window after another.
  static std::vector<Tensor> windows(const Tensor& x, std::int64_t rows, std::int64_t columns) {
    std::vector<Tensor> found;
    for (std::int64_t top = 0; top < rows; top += 2)
      for (std::int64_t left = 0; left < columns; left += 2) {
        const std::int64_t first = top * columns + left;
        found.push_back(
            at::stack({x[first], x[first + 1], x[first + columns], x[first + columns + 1]}));
      }
    return found;
  }
  Tensor window_merger(const Tensor& x, std::int64_t rows, std::int64_t columns) const {
    const std::string name = "vision_tower.vit_merger";
    std::vector<Tensor> merged;
    for (const Tensor& window : windows(x, rows, columns)) {
      const Tensor attended =
          window + attention(name + ".self_attn", norm(name + ".layer_norm1", window));
      const Tensor inner =
          product(name + ".linear_1", norm(name + ".pre_norm", attended.flatten()));
      merged.push_back(product(name + ".linear_2", at::gelu(inner, "tanh")) + attended.mean(0));
    }
    return at::stack(merged);
  }
  Tensor merger(const std::string& name, const Tensor& x, std::int64_t rows,
                std::int64_t columns) const {
    std::vector<Tensor> merged;
    for (const Tensor& window : windows(x, rows, columns)) {
      const Tensor inner = product(name + ".linear_1", norm(name + ".pre_norm", window.flatten()));
      merged.push_back(product(name + ".linear_2", at::gelu(inner)));
    }
    return at::stack(merged);
  }
  /// Patches of a unit with a table of three by three positions.
  Tensor embedded(const Tensor& pixels, std::int64_t rows, std::int64_t columns) const {
    const std::string name = "vision_tower.embeddings.";
    const Tensor weight = of(name + "patch_embedding.weight").flatten(1);
    const Tensor patches = at::linear(pixels, weight, of(name + "patch_embedding.bias"));
    std::vector<Tensor> positions;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < columns; ++column)
        positions.push_back(
            of(name + "position_embedding.weight")[row * 3 / rows * 3 + column * 3 / columns]);
    return patches + at::stack(positions);
  }

 private:
  torch::OrderedDict<std::string, Tensor> parameters_;
};

}  // namespace

class TestMiniCpmV : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": {"patch_size": [2, 3]}})", "vision_config: patch_size");
    add(R"({"vision_config": {"image_size": [6, 8]}})", "vision_config: image_size");
    add(R"({"vision_config": {"num_attention_heads": 3}})", "vision_config: num_attention_heads");
    add(R"({"vision_config": {"window_kernel_size": [4, 4]}})",
        "vision_config: window_kernel_size");
    add(R"({"merge_kernel_size": [1, 4]})", "merge_kernel_size");
    add(R"({"merger_times": 0})", "merger_times");
    add(R"({"downsample_mode": "8x"})", "downsample_mode");
    add(R"({"insert_layer_id": 2})", "insert_layer_id");
    add(R"({"insert_layer_id": -1})", "insert_layer_id");
    add(R"({"insert_layer_id": null})", "insert_layer_id");  // 6
    add(R"({"text_config": {"model_type": "qwen9"}})", "text_config: model_type");
    add(R"({"image_token_id": null})", "image_token_id");
    add(R"({"image_token_id": 40})", "image_token_id");
    add(R"({"tie_word_embeddings": 2})", "tie_word_embeddings");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void what_files_leave_out() {
    const auto options = read_minicpmv_options({{"image_token_id", 9}}, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->vision.hidden_size, 768);
    QCOMPARE(options->vision.patch_size, 16);
    QCOMPARE(options->vision.position_side(), 14);
    QCOMPARE(options->vision.layer_norm_eps, 1e-6);
    QCOMPARE(options->vision.insert_layer_id, 6);
    QCOMPARE(options->vision.patches_per_token(), 16);
    QVERIFY(options->vision.hidden_act == Activation::GeluTanh);
    QCOMPARE(options->text.model_type, std::string("qwen3_5_text"));
    QCOMPARE(options->vision.text_width, options->text.hidden_size);
    QVERIFY(!options->tie_word_embeddings);
    // Where nothing is merged in the tower, no layer has to be there for it.
    const auto whole = read({{"downsample_mode", "4x"}, {"insert_layer_id", 6}});
    QVERIFY(whole.ok());
    QCOMPARE(whole->vision.patches_per_token(), 4);
    // The decoder's own word on its head does not count.
    QVERIFY(!read({{"text_config", {{"tie_word_embeddings", true}}}})->tie_word_embeddings);
  }

  void a_picture_as_text() {
    const auto tokens = tokens_of(minicpmv4_6_family, files_of(minicpmv4_6_family));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<|image_pad|>"));
    const auto text = [&](const Grid& grid) { return tokens->expand({{}, {}, grid}); };
    QCOMPARE(text({0, 0, 0, 0, 4, 8}), std::string("<image><|image_pad|><|image_pad|></image>"));
    QCOMPARE(text({2, 1, 4, 4, 8, 4}),
             std::string("<image><|image_pad|><|image_pad|></image><slice><|image_pad|></slice>\n"
                         "<slice><|image_pad|></slice>"));
    QCOMPARE(text({1, 2, 4, 4, 4, 4}),
             std::string("<image><|image_pad|></image><slice><|image_pad|></slice>"
                         "<slice><|image_pad|></slice>"));
    QCOMPARE(tokens->number(12), std::string("<image_id>12</image_id>"));

    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(minicpmv4_6_family, folder, "processor_config.json",
                  {{"image_processor", {{"use_image_id", false}}}});
    const auto plain = tokens_of(minicpmv4_6_family, folder);
    QVERIFY(plain.ok() && !plain->number);
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"patch_size": 8})", "patch_size");
    add(R"({"patch_size": null})", "patch_size");  // 14
    add(R"({"downsample_mode": "4x"})", "downsample_mode");
    add(R"({"max_slice_nums": 0})", "max_slice_nums");
    add(R"({"scale_resolution": -4})", "scale_resolution");
    add(R"({"slice_mode": 1})", "slice_mode");
    add(R"({"use_image_id": 1})", "use_image_id");
    add(R"({"image_processor_type": "PixtralImageProcessor", "size": {"longest_edge": 64}})",
        "image_processor_type");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir folder;
    QCOMPARE(
        QString::fromStdString(refused_processor_field(
            minicpmv4_6_family, folder.path().toStdString(), Json::parse(patch.toStdString()))),
        field);
  }

  void patches_that_become_one_stand_together() {
    QCOMPARE(numbers(nested_order({{2, 4}}, 1)),
             (std::vector<std::int64_t>{0, 1, 4, 5, 2, 3, 6, 7}));
    QCOMPARE(numbers(nested_order({{2, 2}, {4, 4}}, 1)),
             (std::vector<std::int64_t>{0,  1,  2,  3,  4,  5,  8,  9,  6,  7,
                                        10, 11, 12, 13, 16, 17, 14, 15, 18, 19}));
    const auto twice = numbers(nested_order({{8, 4}}, 2));
    QCOMPARE(twice, (std::vector<std::int64_t>{0,  1,  4,  5,  2,  3,  6,  7,  8,  9,  12,
                                               13, 10, 11, 14, 15, 16, 17, 20, 21, 18, 19,
                                               22, 23, 24, 25, 28, 29, 26, 27, 30, 31}));
    QVERIFY_THROWS_EXCEPTION(std::exception, nested_order({{4, 6}}, 2));
    QVERIFY_THROWS_EXCEPTION(std::exception, nested_order({{3, 4}}, 1));
    QCOMPARE(units_of({{0, {2, 1, 3, 4, 5, 6}}, {0, {0, 0, 0, 0, 7, 8}}}).size(), std::size_t{4});
  }

  void each_patch_has_the_nearest_position_before_it() {
    QCOMPARE(numbers(nearest_positions({{2, 4}}, 4)),
             (std::vector<std::int64_t>{0, 1, 2, 3, 8, 9, 10, 11}));
    QCOMPARE(numbers(nearest_positions({{1, 4}, {1, 6}}, 3)),
             (std::vector<std::int64_t>{0, 0, 1, 2, 0, 0, 1, 1, 2, 2}));
    QCOMPARE(numbers(nearest_positions({{2, 3}}, 1)), (std::vector<std::int64_t>(6, 0)));
  }

  /// Which is what transformers cannot do with several.
  void units_do_not_meet_data() {
    QTest::addColumn<QString>("patch");
    QTest::newRow("sixteen a token") << "{}";
    QTest::newRow("four a token") << R"({"downsample_mode": "4x"})";
    QTest::newRow("sixteen behind the tower") << R"({"downsample_mode": "4x", "merger_times": 2})";
    QTest::newRow("merged behind the last layer") << R"({"insert_layer_id": 1})";
  }
  void units_do_not_meet() {
    QFETCH(QString, patch);
    const Json changed = Json::parse(patch.toStdString());
    const auto model = build(changed);
    const MiniCpmVisionOptions vision = read(changed)->vision;
    const torch::NoGradGuard no_grad;
    const std::vector<Grid> grids{
        {0, 0, 0, 0, 4, 8}, {1, 2, 4, 12, 8, 8}, {0, 0, 0, 0, 8, 4}, {2, 1, 8, 4, 4, 4}};
    const std::int64_t share = vision.patches_per_token(), part = vision.patches_per_feature();
    const ModelInput all = pictures_of(grids, share);
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor together = model->picture_tower()->tower(all);
    QVERIFY(at::allclose(together, model->picture_tower()->tower(prepared), 1e-5, 1e-6));
    const Tensor embedded = model->causal()->embed(all).embeddings;
    std::int64_t start = 0;
    for (const Grid& grid : grids) {
      const std::int64_t end = start + patches_of(grid);
      ModelInput alone = pictures_of({grid}, share);
      alone.pixel_values = all.pixel_values.slice(0, start, end);
      QVERIFY(at::allclose(together.slice(0, start / part, end / part),
                           model->picture_tower()->tower(alone), 1e-4, 1e-5));
      QVERIFY(at::allclose(embedded.slice(0, start / share, end / share),
                           model->causal()->embed(alone).embeddings, 1e-4, 1e-5));
      start = end;
    }
    PictureLoad load;
    load.patches = start;
    QCOMPARE(model->step_costs()->feature_numbers(load), together.numel());
    // A slice is a picture of its own.
    ModelInput slice = pictures_of({{0, 0, 0, 0, 4, 12}}, share);
    slice.pixel_values = all.pixel_values.slice(0, 96 + 48, 96 + 96);
    QVERIFY(at::allclose(together.slice(0, 144 / part, 192 / part),
                         model->picture_tower()->tower(slice), 1e-4, 1e-5));
    QVERIFY_THROWS_EXCEPTION(std::exception,
                             model->causal()->embed(pictures_of({{0, 0, 0, 0, 4, 7}}, share)));
  }

  /// Patch by patch and window by window, of one unit.
  void the_tower_written_out() {
    constexpr std::int64_t kRows = 4, kColumns = 12;
    const torch::NoGradGuard no_grad;
    const auto model = build();
    const ModelInput input = pictures_of({{0, 0, 0, 0, kRows, kColumns}});
    const WrittenOut written(*model);
    Tensor x = written.embedded(input.pixel_values, kRows, kColumns);
    x = written.window_merger(written.layer(0, x), kRows, kColumns);
    x = written.norm("vision_tower.post_layernorm", written.layer(1, x));
    x = written.merger("merger.mlp.0", x, kRows / 2, kColumns / 2);
    const Tensor got = model->causal()->embed(input).embeddings;
    QCOMPARE(got.sizes().vec(), x.sizes().vec());
    QVERIFY(at::allclose(got, x, 1e-4, 1e-5));
  }

  void two_mergers_written_out() {
    constexpr std::int64_t kRows = 8, kColumns = 4;
    const torch::NoGradGuard no_grad;
    const auto model = build({{"downsample_mode", "4x"}, {"merger_times", 2}});
    const ModelInput input = pictures_of({{0, 0, 0, 0, kRows, kColumns}});
    const WrittenOut written(*model);
    Tensor x = written.embedded(input.pixel_values, kRows, kColumns);
    x = written.layer(1, written.layer(0, x));
    x = written.norm("vision_tower.post_layernorm", x);
    x = written.merger("merger.mlp.0", x, kRows, kColumns);
    x = written.merger("merger.mlp.1", x, kRows / 2, kColumns / 2);
    QVERIFY(at::allclose(model->causal()->embed(input).embeddings, x, 1e-4, 1e-5));
  }

  /// [1, channel, row of a patch, patch after patch].
  void pixels_as_the_processor_lays_them_out() {
    ModelInput input = pictures_of({{0, 0, 0, 0, 4, 4}});
    input.pixel_values = torch::arange(16 * 12, torch::kFloat32).view({16, 12});
    const Tensor pixels = minicpmv4_6_family.processor_layout(input);
    QCOMPARE(pixels.sizes().vec(), (std::vector<std::int64_t>{1, 3, 2, 32}));
    QCOMPARE(pixels[0][0][0][1].item<float>(), 1.0F);
    QCOMPARE(pixels[0][0][1][0].item<float>(), 2.0F);
    QCOMPARE(pixels[0][2][1][3].item<float>(), 12.0F + 11.0F);
  }

  /// The merger within the tower, where four patches are a token.
  void what_no_gradient_reaches() {
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    write_changed(minicpmv4_6_family, folder, "config.json", {{"downsample_mode", "4x"}});
    const auto summary = summarize_model(folder);
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    std::vector<std::pair<std::string, TrainedShare>> trained;
    std::int64_t unreached = 0;
    for (const ModuleSummary& module : summary->modules) {
      trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      if (module.name.find("vit_merger") != std::string::npos) unreached += module.parameters;
    }
    Pass pass;
    pass.tokens = 40, pass.labels = 20, pass.lengths = {40};
    pass.rows = rows_shape(pass.lengths, true);
    pass.pictures = {1, 0, 16, 16 * 48, 4};
    QVERIFY(unreached > 0);
    QCOMPARE(summary->cost->of(pass, trained).unreached, unreached);
  }
};

QTEST_GUILESS_MAIN(TestMiniCpmV)
#include "test_minicpmv.moc"
