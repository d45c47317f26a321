// SPDX-License-Identifier: GPL-3.0-or-later
// SAM's picture tower as DeepSeek-OCR-2 has it (DeepseekOcr2SamVisionEncoder of transformers 5.17):
// patches with learned positions, layers most of which look within windows, a neck of two
// convolutions and two more that each halve the frame's sides.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/deepseek_ocr2/sam_layer.h"

namespace luthier {

class SamTower : public ParameterModule {
 public:
  SamTower(const SamOptions& options, const torch::TensorOptions& tensors);
  /// pixels [frames, 3, edge, edge] → [frames, places, out].
  torch::Tensor forward(const torch::Tensor& pixels) const;
  /// Adds the stages of so many frames of an edge.
  void add_cost(const StepTerms& terms, std::int64_t frames, std::int64_t edge,
                TowerCost& cost) const;
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string&, const at::Generator&) const override {
    return torch::zeros(pos_embed_.sizes(), torch::kFloat32);
  }

 private:
  class Patches;
  class Neck;
  class Halves;

  SamOptions options_;
  torch::Tensor pos_embed_;  ///< [1, side, side, hidden]; undefined: there is none
  std::shared_ptr<Patches> patch_embed_;
  std::vector<std::shared_ptr<SamLayer>> layers_;
  std::shared_ptr<Neck> neck_;
  std::shared_ptr<Halves> proj_;
};

}  // namespace luthier
