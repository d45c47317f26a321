// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Gemma 3n: refusals of configurations and processors that do not hold
// together, what files leave out, the published tower's blocks, coefficients that training holds
// within bounds, gates that open above their cutoff against autograd, layers made again and
// decoding from a cache against the whole, how a picture is written.
#include "engine/models/gemma3n/gemma3n.h"

#include <torch/csrc/autograd/autograd.h>

#include "engine/models/families.h"
#include "engine/models/gemma3n/mobilenet_parts.h"
#include "engine/nn/cutoff.h"
#include "engine/nn/key_value_cache.h"
#include "engine/objectives/head_loss.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

const Json words = {
    {"model_type", "gemma3n_text"},
    {"vocab_size", 40},
    {"hidden_size", 16},
    {"intermediate_size", 24},
    {"num_hidden_layers", 4},
    {"num_attention_heads", 2},
    {"num_key_value_heads", 1},
    {"head_dim", 8},
    {"sliding_window", 3},
    {"num_kv_shared_layers", 2},
    {"hidden_size_per_layer_input", 6},
    {"vocab_size_per_layer_input", 36},
    {"laurel_rank", 4},
    {"altup_num_inputs", 3},
    {"altup_coef_clip", 0.25},
    {"activation_sparsity_pattern", {0.8, 0.5, 0.0, 0.2}},
    {"layer_types",
     {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}}};

const Json blocks = Json::parse(R"([
  [{"block_type": "er", "out_chs": 8, "stride": 2}],
  [{"block_type": "uir", "out_chs": 16, "stride": 2, "dw_kernel_size_mid": 3},
   {"block_type": "mqa", "out_chs": 16, "num_heads": 2, "key_dim": 4, "value_dim": 4,
    "kv_stride": 2}]])");

Json whole() {
  Json text = words;
  return {
      {"model_type", "gemma3n"},
      {"image_token_id", 37},
      {"vision_soft_tokens_per_image", 4},
      {"text_config", text},
      {"vision_config",
       {{"vocab_offset", 36},
        {"vocab_size", 2},
        {"model_args", {{"block_args", blocks}, {"stem_size", 8}, {"msfa_output_resolution", 2}}}}},
      {"audio_config", {{"hidden_size", 8}, {"vocab_offset", 38}, {"vocab_size", 2}}}};
}

Result<Gemma3nModelOptions> read(const Json& patch) {
  return read_gemma3n_options(merged(whole(), patch), "config.json");
}

/// A row's gates by the operations that the cutoff is made of.
Tensor cut_by_hand(const Tensor& x, double deviations) {
  const Tensor spread = at::std(x, at::OptionalIntArrayRef({-1}), false, true);
  return at::relu(x - (x.mean(-1, true) + spread * deviations));
}

std::shared_ptr<Model> text_model() {
  const auto model = drawn_model(gemma3n_text_family, words);
  const torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters())
    if (item.key().find("norm") != std::string::npos) item.value().add_(1);
  return model;
}

ModelInput two_rows() {
  ModelInput input;
  input.input_ids = torch::tensor({3, 9, 12, 5, 0, 37, 30, 9, 8, 39, 4}, torch::kInt64);
  input.lengths = {7, 4};
  return input;
}

std::vector<Tensor> slopes(Model& model, bool again) {
  for (Tensor& tensor : model.parameters()) {
    tensor.requires_grad_(true);
    tensor.mutable_grad().reset();
  }
  model.set_gradient_checkpointing(again);
  const ModelInput input = two_rows();
  const Tensor target = (input.input_ids + 1).remainder(40);
  chunked_cross_entropy(states_before_head(model, input), model.head(), target).backward();
  std::vector<Tensor> made;
  for (const Tensor& tensor : model.parameters())
    made.push_back(tensor.grad().defined() ? tensor.grad().clone() : torch::zeros_like(tensor));
  return made;
}

Tensor parameter(Model& model, const std::string& name) {
  const Tensor* found = model.named_parameters().find(name);
  if (!found) qFatal("%s", name.c_str());
  return *found;
}

}  // namespace

class TestGemma3n : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": 3})", "vision_config");
    add(R"({"vision_config": {"architecture": "resnet50"}})", "vision_config: architecture");
    add(R"({"vision_config": {"hidden_size": 1024}})", "vision_config: hidden_size");
    add(R"({"vision_config": {"vocab_size": 1}})", "vision_config: vocab_size");
    add(R"({"vision_config": {"model_args": 3}})", "vision_config: model_args");
    add(R"({"vision_config": {"model_args": {"depth": 2}}})", "vision_config: model_args.depth");
    add(R"({"vision_config": {"model_args": {"channel_multiplier": 0}}})",
        "vision_config: model_args: channel_multiplier");
    add(R"({"vision_config": {"model_args": {"msfa_indices": [7]}}})",
        "vision_config: model_args: msfa_indices");
    add(R"({"vision_config": {"model_args": {"block_args": []}}})",
        "vision_config: model_args.block_args");
    add(R"({"vision_config": {"model_args": {"block_args": [[{"block_type": "ir",
        "out_chs": 8, "stride": 2}]]}}})",
        "vision_config: model_args.block_args[0][0].block_type");
    add(R"({"vision_config": {"model_args": {"block_args": [[{"block_type": "er",
        "out_chs": 8, "stride": 1}]]}}})",
        "vision_config: model_args.block_args[0][0].stride");
    add(R"({"vision_config": {"model_args": {"block_args": [[{"block_type": "er",
        "out_chs": 8, "stride": 2, "se_ratio": 0.25}]]}}})",
        "vision_config: model_args.block_args[0][0].se_ratio");
    add(R"({"vision_config": {"model_args": {"block_args": [[{"block_type": "mqa",
        "out_chs": 8, "stride": 2}]]}}})",
        "vision_config: model_args.block_args[0][0].block_type");
    add(R"({"vision_soft_tokens_per_image": 9})", "vision_soft_tokens_per_image");
    add(R"({"audio_config": {"vocab_offset": 30}})", "audio_config: vocab_offset");
    add(R"({"audio_config": {"vocab_size": 1}})", "audio_config: vocab_size");
    add(R"({"image_token_id": 40})", "image_token_id");
    add(R"({"text_config": {"model_type": "gemma3_text"}})", "text_config: model_type");
    add(R"({"text_config": {"intermediate_size": [24, 24]}})", "text_config: intermediate_size");
    add(R"({"text_config": {"intermediate_size": [24, 24, 24, "x"]}})",
        "text_config: intermediate_size");
    add(R"({"text_config": {"activation_sparsity_pattern": [1.0, 0, 0, 0]}})",
        "text_config: activation_sparsity_pattern");
    add(R"({"text_config": {"activation_sparsity_pattern": 0.9}})",
        "text_config: activation_sparsity_pattern");
    add(R"({"text_config": {"altup_active_idx": 3}})", "text_config: altup_active_idx");
    add(R"({"text_config": {"altup_num_inputs": 0}})", "text_config: altup_num_inputs");
    add(R"({"text_config": {"altup_coef_clip": 0}})", "text_config: altup_coef_clip");
    add(R"({"text_config": {"laurel_rank": 0}})", "text_config: laurel_rank");
    add(R"({"text_config": {"hidden_size_per_layer_input": 0}})",
        "text_config: hidden_size_per_layer_input");
    add(R"({"text_config": {"num_kv_shared_layers": 4}})", "text_config: num_kv_shared_layers");
    add(R"({"text_config": {"sliding_window": 0}})", "text_config: sliding_window");
    add(R"({"text_config": {"final_logit_softcapping": -1}})",
        "text_config: final_logit_softcapping");
    add(R"({"text_config": {"pad_token_id": 36}})", "text_config: pad_token_id");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    // Lists are replaced as wholes, and so is what has no blocks of its own.
    const Json change = Json::parse(patch.toStdString());
    const auto options = read(change);
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void reads_what_files_leave_out() {
    const auto bare = read_gemma3n_options(Json::object(), "");
    QVERIFY2(bare.ok(), bare ? "" : bare.error().sentence().c_str());
    QCOMPARE(bare->image_token_id, TokenId{262145});
    QCOMPARE(bare->text.num_hidden_layers, std::int64_t{35});
    QCOMPARE(bare->text.intermediate_size, std::int64_t{16384});
    QCOMPARE(bare->text.final_softcap, 30.0);
    QCOMPARE(bare->text.gemma4->sources[34], std::int64_t{19});
    QCOMPARE(bare->text.gemma4->sources[33], std::int64_t{18});
    QVERIFY(!bare->text.sliding_windows[4] && bare->text.sliding_windows[5]);
    QVERIFY(bare->text.gemma3n->cutoffs[9] && !bare->text.gemma3n->cutoffs[10]);
    QVERIFY(std::abs(*bare->text.gemma3n->cutoffs[0] - 1.6448536) < 1e-5);
    QCOMPARE(bare->tower.features(), std::int64_t{256});
    QCOMPARE(bare->tower.fused_channels(), std::int64_t{1920});
    std::vector<std::size_t> depths;
    for (const auto& stage : bare->tower.stages) depths.push_back(stage.size());
    QCOMPARE(depths, (std::vector<std::size_t>{3, 5, 37, 39}));
    QCOMPARE(bare->tower.stages[3].back().wide, std::int64_t{2560});
    const auto uncapped = read({{"text_config", {{"model_type", "gemma3n_text"}}}});
    QVERIFY(uncapped.ok());
    Json null = whole();
    null["text_config"]["final_logit_softcapping"] = nullptr;
    QCOMPARE(read_gemma3n_options(null, "")->text.final_softcap, 0.0);
  }

  void zeros_stand_around_squares_as_in_tensorflow() {
    torch::manual_seed(2);
    for (const std::int64_t side : {5, 6}) {
      for (const std::int64_t kernel : {3, 5}) {
        SquareConvolution squares(2, 2, kernel, 2, /*apart=*/true, /*bias=*/false,
                                  torch::TensorOptions());
        const torch::NoGradGuard no_grad;
        for (Tensor& tensor : squares.parameters()) tensor.normal_();
        const Tensor x = torch::randn({1, side, side, 2}), made = squares.forward(x);
        const std::int64_t sides = (side + 1) / 2, all = (sides - 1) * 2 + kernel - side;
        QCOMPARE(made.size(1), sides);
        // By hand: the last result's square ends with the larger half of the zeros.
        const Tensor wide = at::constant_pad_nd(x.permute({0, 3, 1, 2}),
                                                {all / 2, all - all / 2, all / 2, all - all / 2});
        const Tensor square = wide.slice(2, 2 * (sides - 1), 2 * (sides - 1) + kernel)
                                  .slice(3, 2 * (sides - 1), 2 * (sides - 1) + kernel);
        const Tensor last = (square[0] * squares.parameters()[0].squeeze(1)).sum({1, 2});
        QVERIFY(at::allclose(made[0][sides - 1][sides - 1], last, 1e-5, 1e-5));
      }
    }
  }

  void gates_above_their_cutoff() {
    torch::manual_seed(4);
    for (const double deviations : {1.2, 0.0, -0.7}) {
      Tensor x = torch::randn({5, 40}, torch::kFloat64).requires_grad_();
      const Tensor weights = torch::randn({5, 40}, torch::kFloat64);
      const auto slope = [&](const Tensor& y) {
        return torch::autograd::grad({(y * weights).sum()}, {x})[0];
      };
      const Tensor own = over_cutoff(x, deviations), hand = cut_by_hand(x, deviations);
      QVERIFY(at::allclose(own, hand));
      QVERIFY(at::allclose(slope(own), slope(hand)));
    }
    const Tensor flat = torch::ones({2, 8}).requires_grad_();
    const Tensor none = torch::autograd::grad({over_cutoff(flat, 1.0).sum()}, {flat})[0];
    QVERIFY(none.isfinite().all().item<bool>());
  }

  void layers_made_again() {
    const auto model = text_model();
    const std::vector<Tensor> kept = slopes(*model, false), again = slopes(*model, true);
    for (std::size_t i = 0; i < kept.size(); ++i) QVERIFY(at::allclose(kept[i], again[i]));
  }

  void coefficients_within_bounds_where_a_model_trains() {
    const auto model = text_model();
    const std::string layer = "model.layers.1.altup.";
    const Tensor predicts = parameter(*model, layer + "prediction_coefs.weight"),
                 corrects = parameter(*model, layer + "correction_coefs.weight");
    model->eval();
    slopes(*model, false);
    QVERIFY(predicts.abs().max().item<double>() > 0.25);
    const Tensor before = corrects.clone();
    const Tensor free = parameter(*model, layer + "correction_coefs.weight").grad().clone();
    model->train();
    QVERIFY(predicts.abs().max().item<double>() <= 0.25);
    slopes(*model, false);
    const Tensor held = parameter(*model, layer + "correction_coefs.weight").grad();
    const Tensor outside = corrects.abs() > 0.25;
    QVERIFY(outside.any().item<bool>());
    QVERIFY(held.masked_select(outside).abs().max().item<double>() == 0);
    QVERIFY(free.masked_select(outside).abs().max().item<double>() > 0);
    QVERIFY(at::equal(before, corrects));
    // A step that moved them is undone as far as it went too far.
    {
      const torch::NoGradGuard no_grad;
      predicts.fill_(2);
    }
    slopes(*model, false);
    QCOMPARE(predicts.max().item<double>(), 0.25);
  }

  void names_and_parts() {
    const auto model = drawn_model(gemma3n_family, whole());
    const auto part = [&](const char* name) { return model->part_of(name); };
    QCOMPARE(part("model.vision_tower.timm_model.conv_stem.conv.weight"), kVisionTower);
    QCOMPARE(part("model.embed_audio.embedding.weight"), kProjector);
    QCOMPARE(part("model.language_model.layers.0.altup.correct_output_scale"), kLanguageModel);
    QVERIFY(model->named_parameters().contains(
        "model.vision_tower.timm_model.blocks.1.1.attn.key.down_conv.weight"));
    QVERIFY(model->named_parameters().contains("model.language_model.altup_projections.1.weight"));
    QCOMPARE(model->geometry().image_tokens, std::int64_t{4});
  }

  void refuses_other_counts_of_the_processor() {
    const QTemporaryDir folder;
    const fs::path place = fs::path(folder.path().toStdString()) / "model";
    write_changed(gemma3n_family, place, "processor_config.json", {{"image_seq_length", 5}});
    const auto tokens = tokens_of(gemma3n_family, place);
    QVERIFY(!tokens.ok());
    QVERIFY(tokens.error().where.find("image_seq_length") != std::string::npos);
  }

  void a_picture_is_written_with_blank_lines_around() {
    const auto tokens = tokens_of(gemma3n_family, files_of(gemma3n_family));
    QVERIFY2(tokens.ok(), tokens ? "" : tokens.error().sentence().c_str());
    const std::string text = tokens->expand(PixelValues());
    QVERIFY(text.starts_with("\n\n<start_of_image><image_soft_token>"));
    QVERIFY(text.ends_with("<image_soft_token><end_of_image>\n\n"));
  }
};

QTEST_GUILESS_MAIN(TestGemma3n)
#include "test_gemma3n.moc"
