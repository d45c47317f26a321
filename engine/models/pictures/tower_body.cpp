// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/pictures/tower_body.h"

namespace luthier {

using torch::Tensor;

TowerBody::TowerBody(const VisionTowerOptions& o, const torch::TensorOptions& t) : tower_(o, t) {
  for (const auto& child : tower_->named_children()) register_module(child.key(), child.value());
}

Tensor TowerBody::vectors(const Tensor& pixels) {
  if (classed()) return tower_->forward(pixels, {-1}).front().slice(1, 1).mean(1);
  return tower_->last_hidden_state(pixels).mean(1);
}

PictureStates TowerBody::states_of(const Tensor& pixels) {
  const Tensor last =
      classed() ? tower_->forward(pixels, {-1}).front() : tower_->last_hidden_state(pixels);
  if (classed()) return {last, tower_->pooled_of(last)};
  return {last, tower_->options.pooling_head ? tower_->pooled(pixels) : Tensor()};
}

TowerCost TowerBody::cost(const Pass& pass) const {
  const VisionTowerOptions& o = tower_->options;
  return tower_->cost(pass, pass.pictures.frames * o.tokens(), o.num_hidden_layers,
                      /*normed=*/!classed());
}

ModelGeometry TowerBody::geometry() const {
  const VisionTowerOptions& o = tower_->options;
  ModelGeometry g;
  g.vocab_size = 1, g.hidden_size = g.vision_hidden_size = o.hidden_size;
  g.num_hidden_layers = g.vision_layers = o.num_hidden_layers;
  g.num_attention_heads = g.num_key_value_heads = g.vision_heads = o.num_attention_heads;
  g.head_dim = o.hidden_size / o.num_attention_heads;
  g.vision_tokens = o.tokens();
  g.image_height = o.image_height, g.image_width = o.image_width;
  return g;
}

Result<std::optional<Plan>> plan_tower_alone(const Json& config, const std::string& where,
                                             const VisionTowerOptions& tower,
                                             const char* processor) {
  LUTHIER_TRY(const std::optional<ClassOptions> classes, read_class_options(config, where));
  if (!classes) return std::optional<Plan>();
  Plan plan;
  LUTHIER_CHECK(plan_pictures_alone(config, where, processor, plan));
  plan.build = [tower, classes](const torch::TensorOptions& tensors, HeadWeight) {
    return picture_model(std::make_shared<TowerBody>(tower, tensors), {"vision_model"}, classes,
                         tensors);
  };
  return std::optional<Plan>(std::move(plan));
}

}  // namespace luthier
