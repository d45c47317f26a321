// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP that finds texts for pictures (BlipForImageTextRetrieval of transformers 5.17): first states
// of either side come to one space, and a text that is read with a picture says whether the two
// belong together.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/models/blip/blip_options.h"
#include "engine/models/two_towers/image_text_pretraining.h"
#include "engine/models/two_towers/pair_texts.h"
#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier::blip {

using torch::Tensor;

namespace {

constexpr const char* kTextStarts = "starts";  ///< what prepare() sets aside
/// Of the authors' temperature, which likenesses are divided by.
constexpr double kFirstTemp = 0.07, kLeastTemp = 0.001, kMostTemp = 0.5;

class Retriever : public Model,
                  public TwoTowers,
                  public PairMatcher,
                  public PretrainedTowers,
                  public PictureTower,
                  public StepCosts {
 public:
  Retriever(const Options& o, const torch::TensorOptions& t) : options_(o) {
    const std::int64_t width = o.text.layer.hidden, space = o.image_text_hidden_size;
    vision_model_ = register_module("vision_model", BlipTower(o.vision, t));
    text_encoder_ =
        register_module("text_encoder", std::make_shared<MedStack>(o.text, /*causal=*/false, t));
    vision_proj_ = register_module("vision_proj", Linear(o.vision.hidden_size, space, true, t));
    text_proj_ = register_module("text_proj", Linear(width, space, true, t));
    itm_head_ = register_module("itm_head", Linear(width, 2, true, t));
    if (o.pretraining_head) add_parameter("temp", temp_, {}, t);
    declare_part(kVisionTower, "vision_model.");
    for (const char* head : {"vision_proj.", "text_proj.", "itm_head.", "temp"})
      declare_part(kProjector, head);
  }

  TwoTowers* two_towers() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    input.aside[kTextStarts] = row_starts(input.lengths);
  }

  Tensor tower(const ModelInput& input) override {
    TORCH_CHECK(input.pixel_values.size(0) == static_cast<std::int64_t>(input.pictures.size()),
                "a picture is one frame");
    return vision_model_->forward(input.pixel_values).flatten(0, 1);
  }
  std::int64_t feature_rows(const PictureFacts&) const override { return options_.states(); }

  Tensor image(const ModelInput& input) override {
    return unit_vectors(vision_proj_->forward(states_of(input).select(1, 0)));
  }
  Tensor text(const ModelInput& input, std::int64_t rows) override {
    const RowLayout layout = row_layout(input);
    const Tensor states =
        text_encoder_->forward(input.input_ids, layout, nullptr, nullptr, gradient_checkpointing_);
    const auto aside = input.aside.find(kTextStarts);
    const Tensor starts = aside != input.aside.end() ? aside->second : row_starts(input.lengths);
    return unit_vectors(
        text_proj_->forward(states.index_select(0, starts.slice(0, 0, rows).to(states.device()))));
  }
  /// The class has no temperature that learns; config.json says where BLIP's began.
  Tensor scale() override {
    if (temp_.defined()) return temp_.clamp(kLeastTemp, kMostTemp).reciprocal();
    return torch::full({}, std::exp(options_.logit_scale_init_value),
                       vision_proj_->weight.leaf().options().requires_grad(false));
  }

  bool learns_temperature() const override { return temp_.defined(); }
  void hold_temperature() override {
    if (temp_.defined()) temp_.clamp_(kLeastTemp, kMostTemp);
  }
  std::int64_t points_width() const override { return options_.image_text_hidden_size; }
  void start_own_tensors() override {
    if (temp_.defined()) temp_.fill_(kFirstTemp);
  }

  Tensor match(const ModelInput& input, const Pairs& pairs) override {
    const PairTexts texts = texts_of(pairs, input);
    const Tensor begins = texts.begins();
    Tensor ids = input.input_ids.index_select(0, texts.words);
    if (!pairs.as_they_begin) ids = ids.index_fill(0, begins, options_.encoder_start());
    const Tensor seen = states_of(input).index_select(0, texts.pictures).flatten(0, 1);
    const RowStates memory = memory_of(options_, seen, pairs.pictures.size(), texts.lengths.size());
    const Tensor states = text_encoder_->forward(ids, RowLayout(texts.lengths), &memory, nullptr,
                                                 gradient_checkpointing_);
    return itm_head_->forward(states.index_select(0, begins));
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.states() * options_.vision.hidden_size;
  }

  /// The pictures' way, the texts', and where the loss asks for it (Pass::source_lengths) pairs of
  /// both, of which each picture has three.
  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const std::int64_t pictures = pass.pictures.frames;
    const bool matches = !pass.source_lengths.empty();
    const TowerCost tower = vision_model_->cost(pass);
    PassCost cost;
    cost.stages = {two_tower_inputs(pass, tower.trains)};
    tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
    cost.stages.push_back(end_product_cost(terms, vision_proj_, pictures));
    StackPass alone;
    alone.tokens = pass.tokens;
    alone.rows = rows_shape(pass.lengths, /*causal=*/false);
    bool flows = false;
    text_encoder_->add_cost(terms, alone, /*across=*/false, /*again=*/matches, flows, cost.stages);
    cost.stages.push_back(end_product_cost(terms, text_proj_, pictures));
    cost.head.width = options_.image_text_hidden_size;
    if (!matches) {
      cost.unreached += text_encoder_->of_memory(terms) + terms.of(*itm_head_).parameters;
      return cost;
    }
    const std::size_t rows =
        std::min(pass.source_lengths.size(), static_cast<std::size_t>(3 * pictures));
    const std::vector<std::int64_t> texts(
        pass.source_lengths.begin(),
        pass.source_lengths.begin() + static_cast<std::ptrdiff_t>(rows));
    const std::vector<std::int64_t> seen(rows, options_.states());
    StackPass beside;
    beside.tokens = std::accumulate(texts.begin(), texts.end(), std::int64_t{0});
    beside.memory_tokens = static_cast<std::int64_t>(rows) * options_.states();
    beside.rows = rows_shape(texts, /*causal=*/false);
    beside.across = across_shape(texts, seen);
    beside.memory_flows = tower.flows;
    flows = false;
    text_encoder_->add_cost(terms, beside, /*across=*/true, /*again=*/false, flows, cost.stages);
    cost.stages.push_back(end_product_cost(terms, itm_head_, static_cast<std::int64_t>(rows)));
    return cost;
  }

  ModelGeometry geometry() const override { return geometry_of(options_); }

 private:
  /// [pictures, states, width].
  Tensor states_of(const ModelInput& input) {
    const Tensor states = input.tower_features.defined() ? input.tower_features : tower(input);
    return states.view({-1, options_.states(), states.size(1)});
  }

  Options options_;
  BlipTower vision_model_{nullptr};
  std::shared_ptr<MedStack> text_encoder_;
  Tensor temp_;  ///< undefined: it does not learn
  Linear vision_proj_{nullptr}, text_proj_{nullptr}, itm_head_{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_retriever(const Options& options, const torch::TensorOptions& tensors) {
  return std::make_shared<Retriever>(options, tensors);
}

}  // namespace luthier::blip
