// SPDX-License-Identifier: GPL-3.0-or-later
// What Llama 3.2 Vision says that a step keeps, and the most that stands while its backward runs,
// beside what the counting allocator saw: of a layer that looks across to pictures, and of a pass
// through tower, projector and decoder.
#include <torch/csrc/autograd/autograd.h>

#include "engine/device/memory.h"
#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/models/mllama/across_layer.h"
#include "engine/nn/float_loops.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include "tests/models/family_files.h"
#include "tests/models/mllama_config.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

Json with(const Json& patch) { return merged(kMllamaConfig, patch); }

/// One over the other, less 1.
double off(std::int64_t is, std::int64_t should) {
  return static_cast<double>(is) / static_cast<double>(should) - 1;
}

/// All of it trains, and gradients have a place to be added to.
void train_all(torch::nn::Module& module, StepTerms& terms) {
  terms.own_loops = floats::available();
  for (auto& each : module.named_modules()) {
    if (const auto* own = dynamic_cast<const ParameterModule*>(each.value().get()))
      terms.trained[own] = TrainedShare{true, true, 1};
  }
  const torch::NoGradGuard no_grad;
  for (Tensor& each : module.parameters()) {
    each.normal_(0, 0.1);
    each.set_requires_grad(true);
    each.mutable_grad() = torch::zeros_like(each);
  }
}

/// What the stages keep, and the most that stands while their backward runs.
std::pair<std::int64_t, std::int64_t> sums_of(const std::vector<Stage>& stages) {
  std::int64_t kept = 0, most = 0;
  for (const Stage& stage : stages) kept += stage.kept;
  std::int64_t left = kept;
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    left -= stage->kept;
    for (const Stage::Moment& moment : stage->moments)
      most = std::max(most, left + moment.left + moment.work);
  }
  return {kept, most};
}

}  // namespace

class TestMllamaCost : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    install_counting_allocator();
  }

  /// Of a layer that looks across, where everything wants a gradient.
  void a_layer_as_the_allocator_counts_data() {
    QTest::addColumn<int>("kv_heads");
    QTest::newRow("grouped queries") << 2;
    QTest::newRow("a head of keys each") << 4;
  }
  void a_layer_as_the_allocator_counts() {
    QFETCH(int, kv_heads);
    const auto options = read_decoder_options({{"model_type", "mllama_text_model"},
                                               {"hidden_size", 128},
                                               {"intermediate_size", 200},
                                               {"num_hidden_layers", 2},
                                               {"num_attention_heads", 4},
                                               {"num_key_value_heads", kv_heads},
                                               {"cross_attention_layers", {1}}},
                                              "config.json");
    AcrossLayer layer(*options, 1, torch::TensorOptions().dtype(torch::kFloat32));
    StepTerms terms;
    torch::manual_seed(3);
    train_all(*layer, terms);
    // Two rows of a picture each, whose marks stand behind a few tokens.
    const Sighted made = sighted({{150, 150}, {9, 160}, {2, 4}, 4, 50});
    auto sight = std::make_shared<PictureSight>();
    sight->states = torch::randn({400, 128}).set_requires_grad(true);
    sight->runs = made.runs, sight->last_runs = made.last_runs, sight->opened = made.opened;
    TokenSequence sequence;
    sequence.rows = RowLayout({150, 150}), sequence.sight = sight;
    RowsShape rows = rows_shape({150, 150}, true);
    rows.across_keys = 400, rows.across_flows = true;
    const LayerCost cost = layer->cost(terms, rows, 300, 300, /*flows=*/true);
    const Tensor x = torch::randn({300, 128}).set_requires_grad(true);
    const auto forward = [&] { return layer->forward(x, sequence, RotaryTable(), nullptr); };
    forward().sum().backward();  // what libraries keep for themselves
    x.mutable_grad() = torch::zeros_like(x);
    sight->states.mutable_grad() = torch::zeros_like(sight->states);
    const std::int64_t empty = memory_use(torch::kCPU).allocated;
    Tensor y = forward();
    const std::int64_t state = terms.block(y.numel());
    const std::int64_t kept = memory_use(torch::kCPU).allocated - empty - state;
    const Tensor dy = torch::ones_like(y);
    reset_memory_peak(torch::kCPU);
    torch::autograd::backward({y}, {dy});
    const std::int64_t seen = memory_use(torch::kCPU).peak - empty - state;
    // The norm's input stood there before; the states are counted elsewhere.
    const std::int64_t said_kept = cost.kept() - state,
                       said = std::max(cost.kept() + cost.mlp_work,
                                       cost.attention + cost.attention_work) -
                              state;
    QVERIFY2(std::abs(off(said_kept, kept)) < 0.05 && std::abs(off(said, seen)) < 0.05,
             qPrintable(QString("kept: said %1, seen %2; at most: said %3, seen %4")
                            .arg(said_kept)
                            .arg(kept)
                            .arg(said)
                            .arg(seen)));
  }

  /// Tower, projector and decoder, whose head is left out.
  void a_pass_as_the_allocator_counts_data() {
    QTest::addColumn<bool>("text");
    QTest::addColumn<bool>("again");
    QTest::newRow("all of it") << false << false;
    QTest::newRow("all of it, layers made again") << false << true;
    QTest::newRow("the text half") << true << false;
    QTest::newRow("the text half, layers made again") << true << true;
  }
  void a_pass_as_the_allocator_counts() {
    QFETCH(bool, text);
    QFETCH(bool, again);
    const auto plan = mllama_family.read(with({{"image_token_index", 40},
                                               {"text_config",
                                                {{"hidden_size", 96},
                                                 {"intermediate_size", 160},
                                                 {"cross_attention_layers", {1}},
                                                 {"num_attention_heads", 4}}},
                                               {"vision_config",
                                                {{"hidden_size", 64},
                                                 {"intermediate_size", 128},
                                                 {"image_size", 56},
                                                 {"patch_size", 8},
                                                 {"vision_output_dim", 192}}}}),
                                         "");
    const auto model = plan->made(torch::TensorOptions().dtype(torch::kFloat32));
    Pass pass;
    torch::manual_seed(3);
    train_all(*model, pass.terms);
    if (text) {
      for (auto& item : model->named_parameters())
        item.value().set_requires_grad(model->part_of(item.key()) == kLanguageModel);
      for (auto& item : model->named_modules())
        if (model->part_of(item.key() + ".") != kLanguageModel)
          pass.terms.trained.erase(dynamic_cast<const ParameterModule*>(item.value().get()));
    }
    pass.terms.checkpointing = again;
    model->set_gradient_checkpointing(again);
    std::vector<TokenId> ids(150, 3);
    ids[5] = kMark;
    std::vector<Example> examples;
    for (int i = 0; i < 2; ++i) {
      Example example;
      example.input_ids = ids;
      PixelValues pixels;
      pixels.shape = {4, 3, 56, 56}, pixels.grid = {1, 2, 4};
      pixels.values.assign(4 * 3 * 56 * 56, 0.1F);
      example.images.push_back(std::move(pixels));
      examples.push_back(std::move(example));
    }
    pass.tokens = 300, pass.labels = 300, pass.lengths = {150, 150};
    pass.rows = rows_shape(pass.lengths, true);
    pass.pictures = {2, 8, 0, 8 * 3 * 56 * 56, 2};
    const auto [said_kept, said] = sums_of(model->step_costs()->cost(pass).stages);
    ModelInput warm = collate(examples);
    states_before_head(*model, warm).sum().backward();
    const auto features = [&](ModelInput& input) {  // a fixed tower has made them before
      const torch::NoGradGuard no_grad;
      input.tower_features = model->picture_tower()->tower(input);
      input.pixel_values = Tensor();
    };
    const std::int64_t empty = memory_use(torch::kCPU).allocated;
    ModelInput input = collate(examples);
    if (text) features(input);
    Tensor y = states_before_head(*model, input);
    const std::int64_t state = pass.terms.block(y.numel());
    const std::int64_t kept = memory_use(torch::kCPU).allocated - empty - state;
    const Tensor dy = torch::ones_like(y);
    reset_memory_peak(torch::kCPU);
    torch::autograd::backward({y}, {dy});
    const std::int64_t seen = memory_use(torch::kCPU).peak - empty - state;
    QVERIFY2(std::abs(off(said_kept, kept)) < 0.05 && std::abs(off(said, seen)) < 0.05,
             qPrintable(QString("kept: said %1, seen %2; at most: said %3, seen %4")
                            .arg(said_kept)
                            .arg(kept)
                            .arg(said)
                            .arg(seen)));
  }
};

QTEST_GUILESS_MAIN(TestMllamaCost)
#include "test_mllama_cost.moc"
