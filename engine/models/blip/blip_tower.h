// SPDX-License-Identifier: GPL-3.0-or-later
// The picture tower of BLIP (Li et al. 2022) and BLIP-2 (Li et al. 2023): a pre-norm vision
// transformer with a class token, whose queries, keys and values are one product, and a norm over
// all states at its end. As BlipVisionModel and Blip2VisionModel of transformers 5.17.
#pragma once

#include <string>
#include <vector>

#include "engine/models/vision_parts.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct BlipTowerOptions : VisionSizes {
  bool qkv_bias = true;

  std::int64_t tokens() const { return patches() + 1; }  ///< of a picture
};
/// Reads a vision_config, with Blip2VisionConfig's defaults where `second`, else
/// BlipVisionConfig's.
Result<BlipTowerOptions> read_blip_tower_options(const Json& vision_config,
                                                 const std::string& where, bool second);

class BlipTowerImpl : public torch::nn::Module, public PatchPort {
 public:
  BlipTowerImpl(const BlipTowerOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [pictures, 3, height, width] → [pictures, 1 + patches, hidden].
  torch::Tensor forward(const torch::Tensor& pixel_values);
  TowerCost cost(const Pass& pass) const;

  const BlipTowerOptions options;

 private:
  class Layer;
  class Embeddings;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<Layer>> layers_;
  LayerNorm post_layernorm_{nullptr};
};
TORCH_MODULE(BlipTower);

}  // namespace luthier
