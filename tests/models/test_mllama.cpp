// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Llama 3.2 Vision: refusals of configurations and processors that do not
// hold together, what files leave out, which states each token sees, that rows of a batch and
// pictures of a row do not meet but where they should, layers made again and decoding from a cache
// against the whole, and what no gradient reaches.
#include <torch/csrc/autograd/autograd.h>

#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/models/mllama/mllama.h"
#include "engine/models/mllama/picture_sight.h"
#include "engine/models/model_summary.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <fstream>

#include "tests/models/family_files.h"
#include "tests/models/mllama_config.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;
namespace fs = std::filesystem;

namespace {

using Grid = std::vector<std::int64_t>;
using Run = PictureSight::Run;

Json with(const Json& patch) { return merged(kMllamaConfig, patch); }

std::shared_ptr<Model> build() {
  const auto plan = mllama_family.read(kMllamaConfig, "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  for (auto& item : model->named_parameters()) {
    item.value().normal_(0, 0.4);
    if (item.key().find("norm") != std::string::npos || item.value().numel() == 1)
      item.value().add_(1);
  }
  return model;
}

/// A row: what stands in it, and the tiles of each picture (rows, columns).
struct Row {
  std::vector<TokenId> ids;
  std::vector<Grid> pictures;
};

const Row kTwo{{3, 5, kMark, 7, 8, kMark, kMark, 9, 11}, {{1, 2}, {2, 2}, {1, 1}}},
    kOne{{kMark, 4, 17, 30}, {{1, 3}}}, kText{{21, 6, 2, 14, 33}, {}};

/// Pixels by the picture's number, zeros where its tiles end.
ModelInput input_of(const std::vector<Row>& rows, std::int64_t first = 0) {
  std::vector<Example> examples;
  std::int64_t number = first;
  for (const Row& row : rows) {
    Example example;
    example.input_ids = row.ids;
    for (const Grid& grid : row.pictures) {
      PixelValues pixels;
      pixels.shape = {4, 3, 8, 8}, pixels.grid = {grid[0], grid[1], 4};
      pixels.values.assign(4 * 3 * 64, 0);
      for (std::int64_t i = 0; i < grid[0] * grid[1] * 3 * 64; ++i)
        pixels.values[static_cast<std::size_t>(i)] =
            static_cast<float>((i * 7 + 11 * number) % 29) / 14 - 1;
      example.images.push_back(std::move(pixels));
      ++number;
    }
    examples.push_back(std::move(example));
  }
  return collate(examples);
}

std::int64_t tokens_of(const Row& row) { return static_cast<std::int64_t>(row.ids.size()); }

double most_apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

std::vector<std::int64_t> flat(const std::vector<Run>& runs) {
  std::vector<std::int64_t> numbers;
  for (const Run& run : runs) numbers.insert(numbers.end(), {run.tokens, run.first, run.seen});
  return numbers;
}

std::vector<std::int64_t> numbers_in(const Tensor& tensor) {
  const Tensor held = tensor.to(torch::kInt64).flatten().contiguous();
  const auto* first = held.const_data_ptr<std::int64_t>();
  return {first, first + held.numel()};
}

std::vector<Tensor> gradients(Model& model, const ModelInput& input, bool again) {
  for (Tensor& tensor : model.parameters()) {
    tensor.requires_grad_(true);
    tensor.mutable_grad().reset();
  }
  model.set_gradient_checkpointing(again);
  const Tensor states = states_before_head(model, input);
  (states * torch::arange(states.numel()).view(states.sizes()).remainder(7)).sum().backward();
  std::vector<Tensor> made;
  for (const Tensor& tensor : model.parameters())
    made.push_back(tensor.grad().defined() ? tensor.grad().clone() : torch::zeros_like(tensor));
  return made;
}

fs::path tests_files() { return files_of(mllama_family); }

}  // namespace

class TestMllama : public QObject {
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
    add(R"({"vision_config": {"model_type": "clip_vision_model"}})", "vision_config: model_type");
    add(R"({"vision_config": {"image_size": [8, 8]}})", "vision_config: image_size");
    add(R"({"vision_config": {"image_size": 3}})", "vision_config: image_size");
    add(R"({"vision_config": {"attention_heads": 3}})", "vision_config: attention_heads");
    add(R"({"vision_config": {"num_channels": 1}})", "vision_config: num_channels");
    add(R"({"vision_config": {"norm_eps": -1}})", "vision_config: norm_eps");
    add(R"({"vision_config": {"max_num_tiles": 3}})", "vision_config: max_num_tiles");
    add(R"({"vision_config": {"supported_aspect_ratios": [[1, 1]]}})",
        "vision_config: supported_aspect_ratios");
    add(R"({"vision_config": {"intermediate_layers_indices": []}})",
        "vision_config: intermediate_layers_indices");
    add(R"({"vision_config": {"intermediate_layers_indices": [2]}})",
        "vision_config: intermediate_layers_indices");
    add(R"({"vision_config": {"intermediate_layers_indices": [-3]}})",
        "vision_config: intermediate_layers_indices");
    add(R"({"vision_config": {"vision_output_dim": 16}})", "vision_config: vision_output_dim");
    add(R"({"text_config": {"model_type": "llama"}})", "text_config: model_type");
    add(R"({"text_config": {"cross_attention_layers": 3}})", "text_config: cross_attention_layers");
    add(R"({"text_config": {"cross_attention_layers": ["a"]}})",
        "text_config: cross_attention_layers");
    add(R"({"text_config": {"cross_attention_layers": [0, 2]}})",
        "text_config: cross_attention_layers");
    add(R"({"image_token_index": 48})", "image_token_index");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read_mllama_options(with(Json::parse(patch.toStdString())), "config.json");
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void what_files_leave_out() {
    const auto options = read_mllama_options({{"model_type", "mllama"}}, "config.json");
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    QCOMPARE(options->vision.tile_tokens(), 1025);
    QCOMPARE(options->vision.padded_tokens(), 1032);
    QCOMPARE(options->vision.width(), 7680);
    QVERIFY(options->vision.hidden_act == Activation::Gelu);
    QCOMPARE(options->text.num_hidden_layers, 40);
    QCOMPARE(std::count(options->text.across.begin(), options->text.across.end(), true), 8);
    QVERIFY(options->text.looks_across(38) && !options->text.looks_across(39));
    QCOMPARE(options->text.rotary.theta, 5e5);
    QCOMPARE(options->image_token_id, TokenId{128256});
    // The head is never the embedding, which has rows for marks.
    const auto names = build()->named_parameters();
    QCOMPARE(names["model.language_model.embed_tokens.weight"].size(0), 48);
    QCOMPARE(names["lm_head.weight"].size(0), 40);
    QVERIFY(names.contains("model.language_model.layers.3.cross_attn.k_norm.weight") &&
            names.contains("model.language_model.layers.2.self_attn.k_proj.weight"));
  }

  void names_of_hubs_files() {
    for (const auto& item : build()->named_parameters()) {
      const std::string stored = mllama_family.stored_name(item.key());
      QVERIFY2(!stored.starts_with("model."), stored.c_str());
      QCOMPARE(mllama_family.memory_name(stored), item.key());
      QCOMPARE(mllama_family.memory_name(item.key()), item.key());
    }
    QCOMPARE(mllama_family.memory_name("language_model.lm_head.weight"),
             std::string("lm_head.weight"));
    QCOMPARE(mllama_family.stored_name("model.language_model.norm.weight"),
             std::string("language_model.model.norm.weight"));
  }

  void arrangements_of_tiles() {
    QCOMPARE(tile_arrangements(4),
             (std::vector<std::pair<std::int64_t, std::int64_t>>{
                 {1, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 1}, {2, 2}, {3, 1}, {4, 1}}));
  }

  void which_states_each_token_sees() {
    // Of two states a tile and three tiles a picture; a row without pictures between the others.
    const ShownPictures pictures{{9, 2, 3}, {2, 5, 6, 11}, {2, 3, 1, 1}, 3, 2};
    const Sighted made = sighted(pictures);
    QCOMPARE(numbers_in(made.order),
             (std::vector<std::int64_t>{0, 1, 2,  3,  6,  7,  8,  9,  10, 11, 12, 13,
                                        4, 5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}));
    // Before the first mark all there is; the last two marks stand side by side.
    QCOMPARE(flat(made.runs),
             (std::vector<std::int64_t>{2, 0, 18, 3, 0, 4, 1, 4, 6, 3, 4, 8, 3, 18, 2}));
    QCOMPARE(made.last_runs, (std::vector<std::int64_t>{3, -1, 4}));
    QCOMPARE(numbers_in(made.tokens),
             (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13}));
    QCOMPARE(numbers_in(made.opened),
             (std::vector<std::int64_t>{0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
    // All tiles shown, one mark at the beginning of each row: nothing has to be moved.
    const Sighted plain = sighted({{3, 4}, {0, 3}, {1, 1}, 1, 5});
    QVERIFY(!plain.order.defined() && !plain.tokens.defined() && !plain.opened.defined());
    QCOMPARE(flat(plain.runs), (std::vector<std::int64_t>{3, 0, 5, 4, 5, 5}));
    QVERIFY_THROWS_EXCEPTION(std::exception, sighted({{3}, {0}, {1, 1}, 1, 5}));
    QVERIFY_THROWS_EXCEPTION(std::exception, sighted({{3}, {3}, {1}, 1, 5}));
    QVERIFY_THROWS_EXCEPTION(std::exception, sighted({{3}, {0}, {2}, 1, 5}));
  }

  void pictures_do_not_meet_in_the_tower() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    const ModelInput all = input_of({kTwo});
    ModelInput prepared = all;
    model->prepare(prepared);
    const Tensor together = model->picture_tower()->tower(all);
    QVERIFY(at::allclose(together, model->picture_tower()->tower(prepared), 1e-5, 1e-6));
    QCOMPARE(together.sizes().vec(), (std::vector<std::int64_t>{3 * 4 * 5, 24}));
    for (std::int64_t i = 0; i < 3; ++i) {
      ModelInput alone = all;
      alone.pictures = {all.pictures[static_cast<std::size_t>(i)]};
      alone.pixel_values = all.pixel_values.slice(0, 4 * i, 4 * i + 4);
      const Tensor own = model->picture_tower()->tower(alone);
      QVERIFY(most_apart(together.slice(0, 20 * i, 20 * i + 20), own) < 1e-4);
      // The same tiles in another arrangement are another picture.
      if (all.pictures[static_cast<std::size_t>(i)].grid[1] != 2 || i != 0) continue;
      alone.pictures[0].grid = {2, 1, 4};
      QVERIFY(most_apart(own, model->picture_tower()->tower(alone)) > 1e-2);
    }
    ModelInput broken = all;
    broken.pictures[1].grid = {3, 2, 4};
    QVERIFY_THROWS_EXCEPTION(std::exception, model->picture_tower()->tower(broken));
  }

  /// Each as if it were alone; the one without pictures as the text half has it.
  void rows_do_not_meet() {
    const auto model = build();
    const torch::NoGradGuard no_grad;
    const std::vector<Row> rows{kTwo, kText, kOne};
    const ModelInput all = input_of(rows);
    const Tensor together = states_before_head(*model, all);
    ModelInput prepared = all;
    model->prepare(prepared);
    QVERIFY(together.equal(states_before_head(*model, prepared)));
    std::int64_t start = 0, number = 0;
    for (const Row& row : rows) {
      const Tensor alone = states_before_head(*model, input_of({row}, number));
      QVERIFY(most_apart(together.slice(0, start, start + tokens_of(row)), alone) < 1e-4);
      start += tokens_of(row), number += static_cast<std::int64_t>(row.pictures.size());
    }
    // Tokens before the first mark see a later mark's picture, too.
    ModelInput other = input_of({kTwo});
    other.pixel_values = other.pixel_values.clone();
    other.pixel_values.slice(0, 4, 8).neg_();
    const Tensor apart =
        (states_before_head(*model, input_of({kTwo})) - states_before_head(*model, other))
            .abs()
            .amax(1);
    QVERIFY(apart[0].item<double>() > 1e-4 && apart[5].item<double>() > 1e-4);
  }

  void layers_made_again() {
    const auto model = build();
    const ModelInput input = input_of({kTwo, kText, kOne});
    const auto kept = gradients(*model, input, false), again = gradients(*model, input, true);
    double largest = 0;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      largest = std::max(largest, kept[i].abs().max().item<double>());
      QVERIFY2(most_apart(kept[i], again[i]) <= 1e-5 * (1 + kept[i].abs().max().item<double>()),
               qPrintable(QString::number(i)));
    }
    QVERIFY(largest > 1e-2);
  }

  /// A token at a time behind prompts that see not as many states, and one that sees none.
  void decoding_goes_on_from_a_cache() {
    const auto model = build();
    const c10::InferenceMode inference;
    Causal& causal = *model->causal();
    const std::vector<Row> whole{{{3, 5, kMark, 7, 8, 2, 9}, {{1, 2}}},
                                 {{kMark, kMark, 7, 1, 8, 5, 6}, {{2, 2}, {1, 1}}},
                                 {{4, 5, 6, 7, 8, 9, 1}, {}}};
    constexpr std::int64_t kPrompt = 4, kAll = 7;
    const Tensor wanted = states_before_head(*model, input_of(whole)).view({3, kAll, -1});
    std::vector<Row> prompts = whole;
    for (Row& row : prompts) row.ids.resize(kPrompt);
    KeyValueCache cache(causal.num_hidden_layers(), kAll);
    const Tensor first = causal.decode(causal.embed(input_of(prompts)), &cache);
    QVERIFY(most_apart(first.view({3, kPrompt, -1}), wanted.slice(1, 0, kPrompt)) < 1e-4);
    QVERIFY(!cache.can_stand);
    std::vector<std::size_t> left{0, 1, 2};
    for (std::int64_t at = kPrompt; at < kAll; ++at) {
      if (at == kPrompt + 1) {  // a row has ended
        left = {0, 2};
        cache.select(torch::tensor({0, 2}, torch::kInt64));
      }
      ModelInput next;
      std::vector<std::int64_t> ids;
      for (const std::size_t row : left)
        ids.push_back(whole[row].ids[static_cast<std::size_t>(at)]);
      next.input_ids = torch::tensor(ids, torch::kInt64);
      next.lengths.assign(left.size(), 1);
      const Tensor states = causal.decode(causal.embed(next), &cache);
      for (std::size_t i = 0; i < left.size(); ++i)
        QVERIFY(most_apart(states[static_cast<std::int64_t>(i)],
                           wanted[static_cast<std::int64_t>(left[i])][at]) < 1e-4);
    }
  }

  void processors_that_do_not_belong_are_refused() {
    const auto tokens = [](const fs::path& files) {
      return luthier::test::tokens_of(mllama_family, files);
    };
    const auto whole = tokens(tests_files());
    QVERIFY2(whole.ok(), whole ? "" : whole.error().sentence().c_str());
    QCOMPARE(whole->mark, std::string("<|image|>"));
    QVERIFY(!whole->expand && whole->writes_bos);
    const QTemporaryDir temporary;
    const fs::path folder = fs::path(temporary.path().toStdString()) / "model";
    fs::copy(tests_files(), folder);
    Json content = *read_json_file(tests_files() / "processor_config.json");
    content["image_processor"]["max_image_tiles"] = 3;
    std::ofstream(folder / "processor_config.json") << content.dump();
    const auto fewer = tokens(folder);
    QVERIFY(!fewer.ok());
    QVERIFY(fewer.error().where.ends_with("image_processor: max_image_tiles"));
    content["image_processor"]["image_processor_type"] = "Idefics3ImageProcessor";
    content["image_processor"].erase("size");
    std::ofstream(folder / "processor_config.json") << content.dump();
    QVERIFY(!tokens(folder).ok());
  }

  /// Without pictures the layers that look at them are passed by.
  void what_no_gradient_reaches() {
    const auto summary = summarize_model(tests_files());
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    std::vector<std::pair<std::string, TrainedShare>> trained;
    std::int64_t across = 0;
    for (const ModuleSummary& module : summary->modules) {
      const bool text = module.name.find("language_model") != std::string::npos;
      if (!text) continue;
      trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      if (module.name.find("layers.1") != std::string::npos ||
          module.name.find("layers.3") != std::string::npos)
        across += module.parameters;
    }
    Pass pass;
    pass.tokens = 40, pass.labels = 20, pass.lengths = {40};
    pass.rows = rows_shape(pass.lengths, true);
    QVERIFY(across > 0);
    QCOMPARE(summary->cost->of(pass, trained).unreached, across);
    pass.pictures = {1, 4, 0, 4 * 3 * 24 * 24, 1};
    QCOMPARE(summary->cost->of(pass, trained).unreached, 0);
  }
};

QTEST_GUILESS_MAIN(TestMllama)
#include "test_mllama.moc"
