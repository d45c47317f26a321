// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/bridge.h"

#include <algorithm>

#include "engine/models/config_numbers.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

// What prepare() sets aside.
constexpr const char *kQueryPlaces = "qformer_queries", *kTextPlaces = "qformer_texts",
                     *kBackPlaces = "qformer_back", *kTextPositions = "qformer_positions";

}  // namespace

Bridge::Bridge(const BridgeOptions& o, std::int64_t text_width, torch::nn::Module& model,
               const torch::TensorOptions& t)
    : options(o) {
  vision_model_ = model.register_module("vision_model", BlipTower(o.vision, t));
  qformer_ = model.register_module("qformer", std::make_shared<QFormer>(o.qformer, t));
  language_projection_ = model.register_module(
      "language_projection", Linear(o.qformer.hidden_size, text_width, /*bias=*/true, t));
}

Tensor Bridge::tower(const ModelInput& input) const {
  return BlipTower(vision_model_)->forward(input.pixel_values).flatten(0, 1);
}

QFormerTexts Bridge::texts_of(const ModelInput& input, std::int64_t pictures) const {
  QFormerTexts texts;
  if (!options.qformer.own_words || !input.source_ids.defined() || input.source_ids.numel() == 0)
    return texts;
  TORCH_CHECK(static_cast<std::int64_t>(input.source_lengths.size()) >= pictures,
              "each picture goes with one instruction");
  std::int64_t tokens = 0;
  for (std::int64_t row = 0; row < pictures; ++row) {
    texts.lengths.push_back(input.source_lengths[static_cast<std::size_t>(row)]);
    tokens += texts.lengths.back();
  }
  texts.ids = input.source_ids.slice(0, 0, tokens);
  return texts;
}

void Bridge::prepare(ModelInput& input) const {
  const QFormerTexts texts = texts_of(input, static_cast<std::int64_t>(input.pictures.size()));
  if (!texts.ids.defined()) return;
  const QFormerPlaces places = qformer_places(options.qformer.queries, texts.lengths);
  input.aside[kQueryPlaces] = places.queries, input.aside[kTextPlaces] = places.texts;
  input.aside[kBackPlaces] = places.back, input.aside[kTextPositions] = places.positions;
}

Tensor Bridge::project(const Tensor& query_tokens, const Tensor& features,
                       const ModelInput& input) const {
  const std::int64_t pictures = features.size(0) / options.vision.tokens();
  const QFormerTexts texts = texts_of(input, pictures);
  QFormerPlaces places;
  if (const auto made = input.aside.find(kQueryPlaces); made != input.aside.end()) {
    places = {made->second, input.aside.at(kTextPlaces), input.aside.at(kBackPlaces),
              input.aside.at(kTextPositions)};
  } else if (texts.ids.defined()) {
    places = qformer_places(options.qformer.queries, texts.lengths);
    for (Tensor* each : {&places.queries, &places.texts, &places.back, &places.positions})
      *each = each->to(features.device());
  }
  return language_projection_->forward(
      qformer_->forward(query_tokens, features, pictures, texts, places));
}

std::int64_t Bridge::feature_numbers(const PictureLoad& pictures) const {
  return pictures.frames * options.vision.tokens() * options.vision.hidden_size;
}

TowerCost Bridge::tower_cost(const Pass& pass) const { return vision_model_->cost(pass); }

ProjectorCost Bridge::projection_cost(const Pass& pass) const {
  const ProductsCost product = products_cost(pass.terms, {language_projection_},
                                             pass.pictures.frames * options.qformer.queries);
  ProjectorCost cost;
  cost.trains = product.trains;
  cost.kept = product.input + product.numbers;
  cost.work = product.work;
  cost.gradients = pass.terms.of(*language_projection_).parameters * pass.terms.gradient_element;
  return cost;
}

bool Bridge::add_cost(const Pass& pass, const TrainedShare& own, PassCost& cost) const {
  const StepTerms& terms = pass.terms;
  const TowerCost tower = tower_cost(pass);
  Stage& inputs = cost.stages.back();
  if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
  inputs.moments = {{inputs.kept, 0}};
  tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
  if (pass.pictures.frames == 0) return false;
  QFormerPass queries;
  queries.pictures = pass.pictures.frames;
  queries.picture_tokens = options.vision.tokens();
  queries.memory_flows = tower.flows;
  if (options.qformer.own_words) {
    const auto rows = static_cast<std::size_t>(pass.pictures.frames);
    queries.texts = pass.source_lengths;
    queries.texts.resize(std::min(rows, queries.texts.size()));
  }
  bool flows = own.trains;
  Stage first;
  first.gradients = own.parameters * terms.gradient_element;
  // What a tower that trains gives stands for the products that look at it.
  if (tower.trains) first.kept = terms.block(feature_numbers(pass.pictures));
  first.moments = {{first.kept, 0}};
  cost.stages.push_back(first);
  qformer_->add_cost(terms, queries, flows, cost.stages);
  const ProjectorCost last = projection_cost(pass);
  cost.stages.push_back({last.kept, {{last.kept, last.work}}, last.gradients});
  return flows || last.trains;
}

Result<BridgeOptions> read_bridge_options(const Json& config, const std::string& where,
                                          bool instructed) {
  BridgeOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json qformer, config_section(config, "qformer_config", where));
  LUTHIER_TRY(o.vision, read_blip_tower_options(vision, where + ": vision_config", true));
  std::int64_t queries = 32;
  LUTHIER_CHECK(read_in_range(config, "num_query_tokens", where, 1, 1 << 16, queries));
  LUTHIER_TRY(o.qformer, read_qformer_options(qformer, where + ": qformer_config",
                                              o.vision.hidden_size, queries, instructed));
  return o;
}

}  // namespace luthier
