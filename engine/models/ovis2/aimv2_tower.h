// SPDX-License-Identifier: GPL-3.0-or-later
// AIMv2's picture tower (Fini et al. 2024) as Ovis 2 has it (Ovis2VisionTransformer of transformers
// 5.17): a pre-norm vision transformer over square patches with RMS norms, one of them behind the
// patches' product, gated MLPs and learned positions.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/vision_parts.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct Aimv2Options : VisionSizes {
  bool qkv_bias = false;  ///< of the product behind attention, too
  bool mlp_bias = false;
};
/// Reads vision_config with Ovis2VisionConfig's defaults, but for what concerns its words.
Result<Aimv2Options> read_aimv2_options(const Json& vision_config, const std::string& where);

class Aimv2Tower : public torch::nn::Module, public PatchPort {
 public:
  Aimv2Tower(const Aimv2Options& options, const torch::TensorOptions& tensors);
  /// pixel_values [frames, 3, height, width] → the last states after the norm [frames, patches,
  /// hidden].
  torch::Tensor forward(const torch::Tensor& pixel_values);
  TowerCost cost(const Pass& pass) const;

 private:
  class Embeddings;
  class Layer;

  Aimv2Options options_;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<Layer>> layers_;
  RmsNorm rms_norm_{nullptr};
};

}  // namespace luthier
