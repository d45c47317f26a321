// SPDX-License-Identifier: GPL-3.0-or-later
// SAM's picture tower (Kirillov et al. 2023; SamVisionEncoder of transformers 5.17): patches with
// learned positions, layers most of which look within windows, a neck of two convolutions. And as
// DeepSeek-OCR-2 has it (DeepseekOcr2SamVisionEncoder), with two more that each halve the frame's
// sides. By itself it is a body of pictures: the vector of one is the mean of its map.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/deepseek_ocr2/sam_layer.h"
#include "engine/models/pictures/feature_maps.h"
#include "engine/models/pictures/picture_body.h"

namespace luthier {

class SamTower : public PictureBody, public FeatureMaps {
 public:
  SamTower(const SamOptions& options, const torch::TensorOptions& tensors);
  /// The neck's: pixels [frames, 3, edge, edge] → [frames, neck, side, side].
  torch::Tensor maps(const torch::Tensor& pixels) override;
  torch::Tensor vectors(const torch::Tensor& pixels) override;
  PictureStates states_of(const torch::Tensor& pixels) override;
  std::int64_t width() const override { return options_.neck; }
  TowerCost cost(const Pass& pass) const override;
  ModelGeometry geometry() const override;
  /// pixels [frames, 3, edge, edge] → [frames, places, out].
  torch::Tensor forward(const torch::Tensor& pixels) const;
  /// Adds the stages of so many frames of an edge.
  void add_cost(const StepTerms& terms, std::int64_t frames, std::int64_t edge,
                TowerCost& cost) const;
  torch::Tensor first_value(const std::string&, const at::Generator&) const override {
    return torch::zeros(pos_embed_.sizes(), torch::kFloat32);
  }

 private:
  class Patches;
  class Neck;
  class Halves;
  torch::Tensor behind_neck(const torch::Tensor& pixels) const;  // [frames, side, side, neck]

  SamOptions options_;
  torch::Tensor pos_embed_;  ///< [1, side, side, hidden]; undefined: there is none
  std::shared_ptr<Patches> patch_embed_;
  std::vector<std::shared_ptr<SamLayer>> layers_;
  std::shared_ptr<Neck> neck_;
  std::shared_ptr<Halves> proj_;  ///< null: the tower stands by itself
};

}  // namespace luthier
