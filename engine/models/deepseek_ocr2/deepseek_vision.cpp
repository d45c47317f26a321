// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/deepseek_vision.h"

#include <algorithm>
#include <cmath>

#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kPicturesOrder = "features_by_picture";

/// The edge of square frames, from how many numbers so many of them are.
std::int64_t edge_of(std::int64_t numbers, std::int64_t frames) {
  const double area = static_cast<double>(numbers) / static_cast<double>(3 * frames);
  return static_cast<std::int64_t>(std::lround(std::sqrt(area)));
}

}  // namespace

DeepseekVision::DeepseekVision(const DeepseekVisionOptions& o, const torch::TensorOptions& t)
    : PatchPort({o.sam.hidden_size, o.sam.num_hidden_layers,
                 o.sam.num_channels * o.sam.patch_size * o.sam.patch_size, "",
                 "this tower places its patches by their rows and columns, which such tokens do "
                 "not have"}),
      options_(o) {
  sam_encoder_ = register_module("sam_encoder", std::make_shared<SamTower>(o.sam, t));
  vision_encoder_ = register_module("vision_encoder", std::make_shared<QueryStack>(o.encoder, t));
  const auto table = [&](const char* name, std::int64_t count) {
    return register_module(name, Embedding(count, o.encoder.hidden_size, t));
  };
  few_queries_ = table("query_768_resolution", DeepseekVisionOptions::kFewQueries);
  many_queries_ = table("query_1024_resolution", DeepseekVisionOptions::kManyQueries);
}

const Embedding& DeepseekVision::queries(std::int64_t edge) const {
  return options_.features_of(edge) == DeepseekVisionOptions::kFewQueries ? few_queries_
                                                                          : many_queries_;
}

std::vector<std::int64_t> DeepseekVision::features_of(const std::vector<FrameGroup>& groups) const {
  std::vector<std::int64_t> each;
  for (const FrameGroup& group : groups) each.push_back(options_.features_of(group.edge));
  return each;
}

Tensor DeepseekVision::forward(const ModelInput& input) {
  const std::vector<FrameGroup> groups = frame_groups(input.pictures);
  std::vector<Tensor> made;
  for (const FrameGroup& group : groups) {
    const Tensor states = sam_encoder_->forward(frames_of(input.pixel_values, group));
    made.push_back(vision_encoder_->forward(states, queries(group.edge)->weight).flatten(0, 1));
  }
  if (made.size() == 1) return made.front();
  const auto found = input.aside.find(kPicturesOrder);
  const Tensor order = found != input.aside.end()
                           ? found->second
                           : pictures_order(groups, features_of(groups)).to(made[0].device());
  return reorder(at::cat(made), order, Tensor());
}

void DeepseekVision::prepare(ModelInput& input) const {
  const std::vector<FrameGroup> groups = frame_groups(input.pictures);
  if (groups.size() > 1) input.aside[kPicturesOrder] = pictures_order(groups, features_of(groups));
}

/// The wholes, then the tiles: as forward() takes them where tiles are the smaller ones.
std::vector<DeepseekVision::Frames> DeepseekVision::frames_in(const PictureLoad& pictures) {
  std::vector<Frames> found;
  const std::int64_t tiles = pictures.frames - pictures.images;
  if (pictures.images > 0)
    found.push_back(
        {pictures.images, edge_of(pictures.numbers - pictures.tile_numbers, pictures.images)});
  if (tiles > 0) found.push_back({tiles, edge_of(pictures.tile_numbers, tiles)});
  if (found.size() == 2 && found[0].edge == found[1].edge)
    found = {{found[0].count + found[1].count, found[0].edge}};
  return found;
}

TowerCost DeepseekVision::cost(const Pass& pass) const {
  const StepTerms& terms = pass.terms;
  const std::vector<Frames> groups = frames_in(pass.pictures);
  TowerCost all;
  bool few = false, many = false;
  for (const Frames& frames : groups) {
    const Embedding& table = queries(frames.edge);
    const TrainedShare asked = terms.of(*table);
    (&table == &few_queries_ ? few : many) = true;
    TowerCost own;
    sam_encoder_->add_cost(terms, frames.count, frames.edge, own);
    vision_encoder_->add_cost(terms, frames.count, options_.places_of(frames.edge),
                              options_.features_of(frames.edge), asked, own);
    // What all groups go through gets its gradients where the last of them is gone back through,
    // which is first.
    if (frames.edge != groups.back().edge) {
      for (Stage& stage : own.stages) stage.gradients = 0;
      if (&table != &queries(groups.back().edge))
        own.stages.back().gradients = asked.parameters * terms.gradient_element;
    }
    all.stages.insert(all.stages.end(), own.stages.begin(), own.stages.end());
    all.trains = all.trains || own.trains;
    all.flows = all.flows || own.flows;
  }
  // Queries of a size that no frame has.
  if (!few) all.unreached += terms.of(*few_queries_).parameters;
  if (!many) all.unreached += terms.of(*many_queries_).parameters;
  return all;
}

std::int64_t DeepseekVision::feature_numbers(const PictureLoad& pictures) const {
  std::int64_t features = 0;
  for (const Frames& frames : frames_in(pictures))
    features += frames.count * options_.features_of(frames.edge);
  return features * options_.encoder.hidden_size;
}

}  // namespace luthier
