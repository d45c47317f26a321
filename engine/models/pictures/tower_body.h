// SPDX-License-Identifier: GPL-3.0-or-later
// CLIP's and SigLIP's picture tower by itself, as the body of CLIPForImageClassification and
// SiglipForImageClassification of transformers 5.17: a picture's vector is the mean of its patches'
// last states, SigLIP's after the last norm, CLIP's before it and without the class token.
#pragma once

#include "engine/models/pictures/picture_body.h"
#include "engine/models/vision_tower.h"

namespace luthier {

class TowerBody : public PictureBody {
 public:
  TowerBody(const VisionTowerOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor vectors(const torch::Tensor& pixels) override;
  PictureStates states_of(const torch::Tensor& pixels) override;
  std::int64_t width() const override { return tower_->options.hidden_size; }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;

 private:
  bool classed() const { return tower_->options.class_embedding; }
  VisionTower tower_;  ///< its parts are registered as this body's own
};

/// A plan of such a model, where config.json's class is one; else none. `text` sizes are left out
/// with the texts' tower.
Result<std::optional<Plan>> plan_tower_alone(const Json& config, const std::string& where,
                                             const VisionTowerOptions& tower,
                                             const char* processor);

}  // namespace luthier
