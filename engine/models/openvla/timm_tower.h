// SPDX-License-Identifier: GPL-3.0-or-later
// A vision transformer under timm's names (Wightman 2019; VisionTransformer of timm 0.9 and later),
// as OpenVLA keeps DINOv2's with registers and SigLIP's: one product for queries, keys and values,
// a class token and registers that have no position, learned scales of what a layer's halves add.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/vision_parts.h"

namespace luthier {

struct TimmTowerOptions : VisionSizes {
  bool class_token = false;
  std::int64_t registers = 0;
  bool layer_scale = false;
  bool attention_pool = false;  ///< what SigLIP pools by, which no language model reads

  std::int64_t prefix() const { return (class_token ? 1 : 0) + registers; }
  std::int64_t tokens() const { return patches() + prefix(); }
  /// Of the layer whose states OpenVLA takes, the last but one, and of those before it.
  std::int64_t layers_run() const { return num_hidden_layers - 1; }
};

/// One of timm's models that OpenVLA is made of, by its name there; `config` may say other sizes
/// under timm's own words (embed_dim, depth, num_heads, mlp_ratio, img_size, patch_size,
/// reg_tokens). An Input error names `where`.
Result<TimmTowerOptions> read_timm_tower(const std::string& model, const Json& config,
                                         const std::string& where);

class TimmTower : public ParameterModule {
 public:
  TimmTower(const TimmTowerOptions& options, const torch::TensorOptions& tensors);
  /// pixels [images, 3, height, width] → the patches' states after the last layer but one, without
  /// a norm: [images, patches, hidden].
  torch::Tensor forward(const torch::Tensor& pixels);
  TowerCost cost(const Pass& pass) const;
  std::string type_name() const override { return "Parameter"; }

  const TimmTowerOptions options;

 private:
  class Layer;

  torch::Tensor class_token_, registers_, positions_;
  std::shared_ptr<PatchConvolution> patches_;
  std::vector<std::shared_ptr<Layer>> layers_;
};

}  // namespace luthier
