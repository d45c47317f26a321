// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <numeric>

#include "engine/models/blocks/branch_stages.h"
#include "engine/models/fiber/backbone.h"
#include "engine/models/swin/swin_layer.h"

namespace luthier::fiber {

namespace {

void append(std::vector<Stage>& stages, Stage stage, bool again) {
  if (again) stage.gradients = 0;
  stages.push_back(std::move(stage));
}

std::int64_t sum_of_lengths(const std::vector<std::int64_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

}  // namespace

TowerCost Backbone::begin_cost(const StepTerms& terms, std::int64_t pictures) const {
  TowerCost cost;
  const SwinFrames frames = swin_->own_frames(pictures);
  swin_->add_beginning(terms, frames, cost);
  swin_->add_layers(terms, frames, 0, options_.first_image_layer(), cost);
  return cost;
}

bool Backbone::add_images(const StepTerms& terms, std::int64_t pictures, bool flows, bool again,
                          bool last_again, std::vector<Stage>& stages) const {
  const SwinFrames frames = swin_->own_frames(pictures);
  const std::int64_t last = options_.image_layers() - 1;
  TowerCost cost, end;
  cost.flows = flows;
  swin_->add_layers(terms, frames, options_.first_image_layer(), last, cost);
  for (Stage& stage : cost.stages) append(stages, std::move(stage), again);
  end.flows = cost.flows;
  swin_->add_layers(terms, frames, last, last + 1, end);
  if (last_again) end.stages.front().gradients = 0;
  swin_->add_norm(terms, frames, end);
  stages.insert(stages.end(), end.stages.begin(), end.stages.end());
  return end.flows;
}

bool Backbone::add_embeddings(const StepTerms& terms, std::int64_t tokens, bool again,
                              std::vector<Stage>& stages) const {
  Stage first = embeddings_->cost(terms, tokens);
  if (terms.of(*embeddings_->words).whole)  // a lookup's gradient is as large as its table
    first.moments.push_back({0, terms.block(embeddings_->words->weight.numel())});
  append(stages, std::move(first), again);
  return trained_within(terms, *embeddings_).trains;
}

bool Backbone::add_texts(const StepTerms& terms, const std::vector<std::int64_t>& lengths,
                         bool again, std::vector<Stage>& stages) const {
  const std::int64_t tokens = sum_of_lengths(lengths);
  bool flows = add_embeddings(terms, tokens, again, stages);
  const std::int64_t state = terms.block(tokens * options_.layer.hidden);
  const RowsShape rows = rows_shape(lengths, /*causal=*/false);
  for (const auto& layer : text_layers_) {
    const LayerCost cost = layer->cost(terms, rows, tokens, flows);
    flows = flows || cost.share.trains;
    append(stages, layer_stage(terms, cost, state, state), again);
  }
  if (again)  // which no later pass reaches
    stages.back().gradients =
        text_layers_.back()->of_last_norm(terms).parameters * terms.gradient_element;
  return flows;
}

Backbone::Flows Backbone::add_fused(const StepTerms& terms,
                                    const std::vector<std::int64_t>& lengths, bool flows,
                                    bool images_too, bool again, std::vector<Stage>& stages) const {
  const std::int64_t tokens = sum_of_lengths(lengths), hidden = options_.layer.hidden,
                     pictures = std::ssize(lengths);
  const SwinFrames frames = swin_->own_frames(pictures);
  Flows wanted{add_embeddings(terms, tokens, again, stages), flows};
  const std::int64_t text_state = terms.block(tokens * hidden);
  const RowsShape rows = rows_shape(lengths, /*causal=*/false);
  const std::size_t first = text_layers_.size() - of_texts_.size();
  for (std::size_t i = 0; i < first; ++i) {
    const LayerCost cost = text_layers_[i]->cost(terms, rows, tokens, wanted.texts);
    wanted.texts = wanted.texts || cost.share.trains;
    append(stages, layer_stage(terms, cost, text_state, text_state), again);
  }
  for (std::size_t pair = 0; pair < of_texts_.size(); ++pair) {
    const bool last = pair + 1 == of_texts_.size(), seen = !last || images_too;
    const std::int64_t number = options_.first_image_layer() + static_cast<std::int64_t>(pair);
    const SwinMap own = map(static_cast<std::int64_t>(pair));
    const std::int64_t places = pictures * own.places(), state = terms.block(places * own.width);
    const std::vector<std::int64_t> maps(lengths.size(), own.places());
    std::vector<BranchStage> branches;
    std::int64_t trained = 0;
    bool images = false, trains = false;
    if (seen) {
      const SwinLayer& layer = swin_->layer(number);
      const bool inside = wanted.images || trained_within(terms, layer).trains;
      const FusedAttention::Cost look = of_images_[pair]->cost(
          terms, across_shape(maps, lengths), places, tokens, inside, wanted.texts);
      const LayerCost cost =
          layer.cost(terms, pictures, own.rows, own.columns, wanted.images, look.passes);
      branches = {
          {cost.attention, cost.attention_work}, {look.kept, look.work}, {cost.mlp, cost.mlp_work}};
      const TrainedShare looks = trained_within(terms, *of_images_[pair]);
      trained += cost.share.parameters + looks.parameters;
      trains = trains || cost.share.trains || looks.trains;
      images = look.passes || cost.share.trains;
    }
    const auto& layer = text_layers_[first + pair];
    const bool inside = wanted.texts || trained_within(terms, *layer).trains;
    const FusedAttention::Cost look = of_texts_[pair]->cost(terms, across_shape(lengths, maps),
                                                            tokens, places, inside, wanted.images);
    const LayerCost cost = layer->cost(terms, rows, tokens, wanted.texts, look.passes, !last);
    branches.push_back({cost.attention, cost.attention_work});
    branches.push_back({look.kept, look.work});
    branches.push_back({cost.mlp, cost.mlp_work});
    const TrainedShare looks = trained_within(terms, *of_texts_[pair]);
    trained += cost.share.parameters + looks.parameters;
    if (last) trained -= layer->of_last_norm(terms).parameters;
    trains = trains || cost.share.trains || looks.trains;
    Stage stage = stage_of_branches(terms, branches, trained * terms.gradient_element,
                                    text_state + state, text_state + state);
    append(stages, std::move(stage), again);
    wanted = {look.passes || cost.share.trains, images};
    if (!seen) break;
    TowerCost merging;
    merging.flows = wanted.images;
    swin_->add_merging(terms, frames, number, merging);
    wanted.images = merging.flows;
    for (Stage& each : merging.stages) append(stages, std::move(each), again);
  }
  return wanted;
}

std::int64_t Backbone::of_fusion(const StepTerms& terms) const {
  std::int64_t all = 0;
  for (const auto* side : {&of_images_, &of_texts_})
    for (const auto& look : *side) all += trained_within(terms, *look).parameters;
  return all;
}

std::int64_t Backbone::of_last_norms(const StepTerms& terms) const {
  return swin_->of_norm(terms).parameters + text_layers_.back()->of_last_norm(terms).parameters;
}

std::int64_t Backbone::of_last_images(const StepTerms& terms) const {
  return trained_within(terms, swin_->layer(options_.image_layers() - 1)).parameters;
}

std::int64_t Backbone::of_last_image_fusion(const StepTerms& terms) const {
  return trained_within(terms, *of_images_.back()).parameters;
}

}  // namespace luthier::fiber
