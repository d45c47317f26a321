// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of DeepSeek-OCR-2: refusals of configurations and processors that do not
// hold together, what files leave out, names, how a picture is written, that pictures with tiles
// keep their order and do not see one another, what ends a picture, and what a step keeps.
#include "engine/models/deepseek_ocr2/deepseek_ocr2.h"

#include "engine/methods/ports.h"
#include "engine/models/cost.h"
#include "engine/models/model_summary.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <set>

#include "tests/models/family_files.h"

using namespace luthier;
using torch::Tensor;

namespace {

const Json config = {{"model_type", "deepseek_ocr2"},
                     {"image_token_id", 7},
                     {"text_config",
                      {{"vocab_size", 40},
                       {"hidden_size", 16},
                       {"intermediate_size", 24},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"num_key_value_heads", 1},
                       {"n_routed_experts", 4},
                       {"num_experts_per_tok", 2},
                       {"n_shared_experts", 3},
                       {"moe_intermediate_size", 6},
                       {"mlp_layer_types", {"dense", "sparse"}}}},
                     {"vision_config",
                      {{"sam_config",
                        {{"hidden_size", 8},
                         {"output_channels", 6},
                         {"num_hidden_layers", 2},
                         {"num_attention_heads", 2},
                         {"image_size", 16},
                         {"patch_size", 4},
                         {"window_size", 3},
                         {"global_attn_indexes", {1}},
                         {"downsample_channels", {10, 12}}}},
                       {"encoder_config",
                        {{"hidden_size", 12},
                         {"intermediate_size", 20},
                         {"num_hidden_layers", 1},
                         {"num_attention_heads", 2},
                         {"num_key_value_heads", 1}}}}}};

Result<DeepseekOcr2Options> read(const Json& patch) {
  return read_deepseek_ocr2_options(test::merged(config, patch), "config.json");
}

std::shared_ptr<Model> build(const Json& patch = Json::object()) {
  return test::drawn_model(deepseek_ocr2_family, test::merged(config, patch));
}

/// So many tiles of 12 pixels a side and a whole of 16, as the processor lays them out.
struct Shown {
  PictureFacts facts;
  Tensor pixels;
};
Shown shown(std::int64_t rows, std::int64_t columns) {
  const std::int64_t numbers = 3 * (rows * columns * 12 * 12 + 16 * 16);
  return {{numbers, {rows, columns, 12, 16}}, torch::rand({numbers}) - 0.5};
}

ModelInput input_of(const std::vector<Shown>& pictures) {
  ModelInput input;
  std::vector<Tensor> pixels;
  std::vector<std::int64_t> ids{1};
  for (const Shown& picture : pictures) {
    input.pictures.push_back(picture.facts);
    pixels.push_back(picture.pixels);
    const auto& grid = picture.facts.grid;
    ids.insert(ids.end(), static_cast<std::size_t>(144 * (grid[0] * grid[1] + 1) + 1), 7);
    ids.push_back(2);
  }
  input.pixel_values = at::cat(pixels);
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.lengths = {static_cast<std::int64_t>(ids.size())};
  return input;
}

double differ(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>();
}

}  // namespace

class TestDeepseekOcr2 : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const std::string& part, const char* patch, const char* field) {
      std::string whole = patch;
      if (part == "text") whole = R"({"text_config": )" + whole + "}";
      if (part == "sam") whole = R"({"vision_config": {"sam_config": )" + whole + "}}";
      if (part == "encoder") whole = R"({"vision_config": {"encoder_config": )" + whole + "}}";
      const std::string place = part == "text"      ? "text_config: "
                                : part == "sam"     ? "vision_config: sam_config: "
                                : part == "encoder" ? "vision_config: encoder_config: "
                                                    : "";
      QTest::newRow(whole.substr(0, 70).c_str())
          << QString::fromStdString(whole) << QString::fromStdString(place + field);
    };
    add("", R"({"vision_config": 3})", "vision_config");
    add("", R"({"vision_config": {"sam_config": []}})", "vision_config: sam_config");
    add("", R"({"image_token_id": 40})", "image_token_id");
    add("", R"({"image_token_id": null})", "image_token_id");  // 128815
    add("", R"({"tie_word_embeddings": 0})", "tie_word_embeddings");
    add("sam", R"({"image_size": [16, 16]})", "image_size");
    add("sam", R"({"patch_size": [4, 4]})", "patch_size");
    add("sam", R"({"num_channels": 1})", "num_channels");
    add("sam", R"({"num_attention_heads": 3})", "num_attention_heads");
    add("sam", R"({"window_size": -1})", "window_size");
    add("sam", R"({"global_attn_indexes": 1})", "global_attn_indexes");
    add("sam", R"({"global_attn_indexes": ["1"]})", "global_attn_indexes");
    add("sam", R"({"downsample_channels": [10]})", "downsample_channels");
    add("sam", R"({"downsample_channels": [10, 13]})", "downsample_channels");
    add("sam", R"({"downsample_channels": null})", "downsample_channels");  // 512 and 896
    add("sam", R"({"mlp_ratio": 0})", "mlp_ratio");
    add("sam", R"({"mlp_dim": 0})", "mlp_dim");
    add("sam", R"({"output_channels": 0})", "output_channels");
    add("sam", R"({"qkv_bias": 1})", "qkv_bias");
    add("sam", R"({"use_rel_pos": "no"})", "use_rel_pos");
    add("sam", R"({"hidden_act": "softsign"})", "hidden_act");
    add("encoder", R"({"num_attention_heads": 0})", "num_attention_heads");
    add("encoder", R"({"num_key_value_heads": 3})", "num_key_value_heads");
    add("encoder", R"({"hidden_act": 5})", "hidden_act");
    add("text", R"({"model_type": "llama"})", "model_type");
    add("text", R"({"num_attention_heads": 3, "num_key_value_heads": 3})", "num_attention_heads");
    add("text", R"({"mlp_layer_types": null})", "mlp_layer_types");
    add("text", R"({"mlp_layer_types": ["sparse"]})", "mlp_layer_types");
    add("text", R"({"mlp_layer_types": ["sparse", "moe"]})", "mlp_layer_types");
    add("text", R"({"mlp_layer_types": ["sparse", 1]})", "mlp_layer_types");
    add("text", R"({"num_experts_per_tok": null})", "num_experts_per_tok");
    add("text", R"({"num_experts_per_tok": 5})", "num_experts_per_tok");
    add("text", R"({"n_routed_experts": 0})", "n_routed_experts");
    add("text", R"({"n_shared_experts": 0})", "n_shared_experts");
    add("text", R"({"moe_intermediate_size": 0})", "moe_intermediate_size");
    add("text", R"({"routed_scaling_factor": "1"})", "routed_scaling_factor");
    add("text", R"({"topk_method": "noaux_tc"})", "topk_method");
    add("text", R"({"topk_method": "group_limited_greedy"})", "n_group");
    add("text", R"({"topk_method": "group_limited_greedy", "n_group": 3})", "n_group");
    add("text", R"({"topk_method": "group_limited_greedy", "n_group": 2})", "topk_group");
    add("text", R"({"topk_method": "group_limited_greedy", "n_group": 2, "topk_group": 3})",
        "topk_group");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void what_files_leave_out() {
    const auto options = read_deepseek_ocr2_options(
        {{"text_config",
          {{"vocab_size", 129280},
           {"num_hidden_layers", 1},
           {"mlp_layer_types", {"sparse"}},
           {"num_experts_per_tok", 6}}},
         {"vision_config", {{"encoder_config", {{"hidden_size", 896}}}}}},
        "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    const SamOptions& v = options->vision.sam;
    QCOMPARE(v.hidden_size, 768);
    QCOMPARE(v.num_hidden_layers, 12);
    QCOMPARE(v.intermediate_size, 3072);
    QCOMPARE(v.side(), 64);
    QCOMPARE(v.window, 14);
    QVERIFY(v.qkv_bias && v.absolute && v.relative && v.hidden_act == Activation::Gelu);
    QVERIFY(v.whole[2] && v.whole[11] && !v.whole[0] && !v.whole[10]);
    QCOMPARE(v.layer_norm_eps, 1e-6);
    QCOMPARE(v.neck, 256);
    QCOMPARE(v.between, 512);
    QCOMPARE(v.out, 896);
    QCOMPARE(options->vision.features_of(768), 144);
    QCOMPARE(options->vision.features_of(1024), 256);
    QCOMPARE(options->vision.places_of(1024), 256);
    QCOMPARE(options->vision.encoder.num_hidden_layers, 32);
    QVERIFY(options->vision.encoder.qkv_bias && !options->vision.encoder.o_bias);
    const DecoderOptions& text = options->text;
    QCOMPARE(text.hidden_size, 4096);
    QCOMPARE(text.head_dim, 128);
    QCOMPARE(text.num_key_value_heads, 32);
    QVERIFY(!text.qkv_bias && !text.mlp_bias && text.experts);
    QCOMPARE(text.experts->count, 64);
    QCOMPARE(text.experts->intermediate_size, 1407);
    QCOMPARE(text.experts->shared_intermediate_size, 2 * 1407);
    QVERIFY(!text.experts->router.divides && text.experts->router.groups == 0);
    QVERIFY(!text.experts->has_router_loss && !text.experts->shared_opens);
    QCOMPARE(options->image_token_id, TokenId{128815});
    // A decoder without experts has no use for their numbers.
    const auto dense = read(
        {{"text_config",
          {{"mlp_layer_types", {"dense", "dense", "sparse"}}, {"num_experts_per_tok", nullptr}}}});
    QVERIFY(dense.ok() && !dense->text.experts);
    // transformers reads either name.
    QCOMPARE(read({{"text_config", {{"n_routed_experts", nullptr}, {"num_experts", 9}}}})
                 ->text.experts->count,
             9);
    // Windows of the stack's settings are none of its masks.
    QVERIFY(!read({{"vision_config",
                    {{"encoder_config",
                      {{"use_sliding_window", true},
                       {"sliding_window", 2},
                       {"max_window_layers", 0}}}}}})
                 ->vision.encoder.sliding_windows.at(0));
  }

  void names_and_parts() {
    const auto model = build();
    std::set<std::string> stored;
    for (const auto& item : model->named_parameters()) {
      const std::string name = deepseek_ocr2_stored_name(item.key());
      QVERIFY2(stored.insert(name).second, name.c_str());
      QCOMPARE(deepseek_ocr2_memory_name(name), item.key());
      QCOMPARE(deepseek_ocr2_memory_name(item.key()), item.key());  // as they stand in memory
    }
    for (const char* name : {"model.sam_model.blocks.1.norm1.weight",
                             "model.sam_model.blocks.0.norm2.bias",
                             "model.sam_model.blocks.0.attn.rel_pos_h",
                             "model.sam_model.blocks.0.mlp.lin1.bias",
                             "model.sam_model.patch_embed.proj.weight",
                             "model.sam_model.pos_embed",
                             "model.sam_model.neck.0.weight",
                             "model.sam_model.neck.3.bias",
                             "model.sam_model.net_2.weight",
                             "model.sam_model.net_3.weight",
                             "model.qwen2_model.model.model.layers.0.self_attn.q_proj.bias",
                             "model.qwen2_model.model.model.norm.weight",
                             "model.qwen2_model.query_768.weight",
                             "model.qwen2_model.query_1024.weight",
                             "model.projector.layers.weight",
                             "model.view_seperator",
                             "model.embed_tokens.weight",
                             "model.norm.weight",
                             "model.layers.0.mlp.gate_proj.weight",
                             "model.layers.1.mlp.gate.weight",
                             "model.layers.1.mlp.shared_experts.down_proj.weight",
                             "lm_head.weight"})
      QVERIFY2(stored.contains(name), name);
    QCOMPARE(model->part_of("model.vision_tower.query_768_resolution.weight"),
             std::string(kVisionTower));
    QCOMPARE(model->part_of("model.multi_modal_projector.bias"), std::string(kProjector));
    QCOMPARE(model->part_of("model.view_separator"), std::string(kProjector));
    QCOMPARE(model->part_of("model.language_model.norm.weight"), std::string(kLanguageModel));
    // What stands before keys and values stands before the text's alone.
    QCOMPARE(list_ports(*model).attentions.size(), std::size_t{2});
  }

  void a_picture_as_text() {
    const auto tokens = test::tokens_of(deepseek_ocr2_family, test::files_of(deepseek_ocr2_family));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<image>"));
    const auto count = [&](std::int64_t rows, std::int64_t columns) {
      const std::string text = tokens->expand({{}, {}, {rows, columns, 180, 245}});
      return static_cast<std::int64_t>(text.size() / tokens->mark.size());
    };
    QCOMPARE(count(0, 0), 256 + 1);
    QCOMPARE(count(3, 2), 6 * 144 + 256 + 1);
  }

  void processors_that_do_not_belong_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(std::string(patch).substr(0, 60).c_str()) << patch << field;
    };
    add(R"({"patch_size": 5})", "image_processor: tile_size");
    add(R"({"patch_size": 0})", "patch_size");
    add(R"({"downsample_ratio": "4"})", "downsample_ratio");
    add(R"({"downsample_ratio": null, "patch_size": null})", "image_processor: tile_size");
    add(R"({"image_processor": {"tile_size": 100}})", "image_processor: tile_size");
    add(R"({"image_processor": {"tile_size": 4}})", "image_processor: tile_size");
    add(R"({"image_processor": {"size": {"height": 100}}})", "image_processor: size");
    add(R"({"image_processor": {"size": {"height": null}}})", "image_processor: size");
    add(R"({"image_processor": {"image_processor_type": "CLIPImageProcessor"}})",
        "image_processor: image_processor_type");
    add(R"({"image_processor": {"background_color": [1, 2, 3, 4]}})",
        "image_processor: background_color");
  }
  void processors_that_do_not_belong_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const QTemporaryDir temporary;
    const std::filesystem::path folder = temporary.path().toStdString();
    test::write_changed(deepseek_ocr2_family, folder, "processor_config.json",
                        Json::parse(patch.toStdString()));
    const auto tokens = test::tokens_of(deepseek_ocr2_family, folder);
    QVERIFY(!tokens.ok());
    QVERIFY2(tokens.error().where.ends_with(field.toStdString()),
             tokens.error().sentence().c_str());
  }

  /// Whatever its file says, the processor cuts into two to six tiles.
  void tiles_are_always_cut() {
    const auto plan = deepseek_ocr2_family.read(config, "");
    QVERIFY(plan.ok());
    const Json& forced = plan->pictures->defaults.settings;
    QCOMPARE(forced, (Json{{"crop_to_patches", true}, {"min_patches", 2}, {"max_patches", 6}}));
  }

  /// Together they are what each is alone, whether or not places were set aside.
  void pictures_keep_their_order() {
    const auto model = build();
    torch::manual_seed(4);
    const std::vector<Shown> pictures{shown(1, 2), shown(0, 0), shown(2, 1)};
    const torch::NoGradGuard no_grad;
    const ModelInput all = input_of(pictures);
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor together = model->picture_tower()->tower(all);
    // Not to the bit: a process's first products may be shared among threads in another way.
    QVERIFY(differ(together, model->picture_tower()->tower(prepared)) < 1e-5);
    std::vector<Tensor> alone;
    std::int64_t first = 0;
    for (const Shown& picture : pictures) {
      alone.push_back(model->picture_tower()->tower(input_of({picture})));
      QCOMPARE(alone.back().size(0), model->picture_tower()->feature_rows(picture.facts));
      QVERIFY(differ(together.slice(0, first, first + alone.back().size(0)), alone.back()) < 1e-5);
      first += alone.back().size(0);
    }
    QCOMPARE(first, together.size(0));
    // A picture's tiles come before the whole, in their order.
    ModelInput tile;
    tile.pictures = {{3 * 144, {0, 0, 12, 12}}};
    tile.pixel_values = pictures[0].pixels.slice(0, 3 * 144, 6 * 144);
    QVERIFY(differ(model->picture_tower()->tower(tile), alone[0].slice(0, 144, 288)) < 1e-5);
    const Tensor got = model->causal()->embed(all).embeddings;
    QVERIFY(got.equal(model->causal()->embed(prepared).embeddings));
    // Projected, and behind each picture what ends it.
    const auto weights = model->named_parameters();
    const Tensor projected = at::linear(alone[1], weights["model.multi_modal_projector.weight"],
                                        weights["model.multi_modal_projector.bias"]);
    const std::int64_t place = 1 + 3 * 144 + 1 + 1;
    QVERIFY(differ(got.slice(0, place, place + 144), projected) < 1e-5);
    for (const std::int64_t end : {std::int64_t{3 * 144 + 1}, place + 144})
      QVERIFY(got[end].equal(weights["model.view_separator"]));
  }

  void what_ends_a_picture_learns() {
    const auto model = build();
    const ModelInput input = input_of({shown(0, 0), shown(1, 1)});
    for (auto& parameter : model->parameters()) parameter.set_requires_grad(true);
    const Tensor made = model->causal()->embed(input).embeddings;
    made.slice(1, 0, 1).sum().backward();
    const auto weights = model->named_parameters();
    const Tensor gradient = weights["model.view_separator"].grad();
    QCOMPARE(gradient[0].item<double>(), 2.0);
    QCOMPARE(gradient[1].item<double>(), 0.0);
    // Neither picture asks the other queries.
    QVERIFY(!weights["model.vision_tower.query_1024_resolution.weight"].grad().defined());
    QVERIFY(weights["model.vision_tower.query_768_resolution.weight"]
                .grad()
                .abs()
                .max()
                .item<double>() > 0);
  }

  void another_number_of_tokens_is_refused() {
    const auto model = build();
    ModelInput input = input_of({shown(0, 0)});
    input.input_ids[3] = 1;
    QVERIFY_THROWS_EXCEPTION(std::exception, model->causal()->embed(input));
    input = input_of({shown(0, 0)});
    input.pictures[0].grid = {0, 0, 12};
    QVERIFY_THROWS_EXCEPTION(std::exception, model->causal()->embed(input));
  }

  /// Weights of a fresh model: positions and distances begin at nothing, the rest is drawn.
  void what_a_fresh_model_begins_with() {
    const auto plan = deepseek_ocr2_family.read(config, "");
    QCOMPARE(plan->initializer_ranges("model.vision_tower.sam_encoder.neck.conv1.weight"), 1e-10);
    QCOMPARE(plan->initializer_ranges("model.vision_tower.query_768_resolution.weight"), 0.02);
    QCOMPARE(plan->initializer_ranges("lm_head.weight"), 0.02);
  }

  /// Two pictures, the first with two tiles.
  void features_and_queries_are_counted() {
    const auto summary = summarize_model(test::files_of(deepseek_ocr2_family));
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    Pass pass;
    pass.tokens = 900, pass.labels = 20, pass.lengths = {900};
    pass.rows = rows_shape(pass.lengths, true);
    pass.pictures.images = 2, pass.pictures.frames = 4;
    pass.pictures.tile_numbers = 2 * 3 * 180 * 180;
    pass.pictures.numbers = pass.pictures.tile_numbers + 2 * 3 * 245 * 245;
    pass.pictures.tokens = 2 * 144 + 2 * 256 + 2;
    QCOMPARE(summary->cost->feature_numbers(pass.pictures), (2 * 144 + 2 * 256) * 24);
    const auto unreached = [&](const PictureLoad& pictures) {
      Pass own = pass;
      own.pictures = pictures;
      return summary->cost
          ->of(own, {{"model.vision_tower.query_768_resolution", {true, true, 144 * 24}},
                     {"model.vision_tower.query_1024_resolution", {true, true, 256 * 24}}})
          .unreached;
    };
    QCOMPARE(unreached(pass.pictures), 0);
    // Gradients stand once, whichever of the two sizes goes through what they are of.
    std::vector<std::pair<std::string, TrainedShare>> trained;
    std::int64_t numbers = 0;
    for (const ModuleSummary& module : summary->modules) {
      if (module.part != kVisionTower) continue;
      trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      numbers += module.parameters;
    }
    std::int64_t gradients = 0;
    for (const Stage& stage : summary->cost->of(pass, trained).stages) gradients += stage.gradients;
    QCOMPARE(gradients, numbers * pass.terms.gradient_element);
    PictureLoad wholes = pass.pictures;
    wholes.numbers -= wholes.tile_numbers, wholes.tile_numbers = 0, wholes.frames = 2;
    QCOMPARE(unreached(wholes), 144 * 24);
  }
};

QTEST_GUILESS_MAIN(TestDeepseekOcr2)
#include "test_deepseek_ocr2.moc"
