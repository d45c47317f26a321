// SPDX-License-Identifier: GPL-3.0-or-later
// Pixtral's picture tower (Agrawal et al. 2024) as PixtralVisionModel of transformers 5.17:
// pictures of any size as runs of patches that see those of their own picture, turned by row and
// column; RMS norms, gated MLPs, no bias, no class token, no norm behind the last layer.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/cost.h"
#include "engine/models/model_input.h"
#include "engine/models/vision_parts.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct PixtralOptions : VisionSizes {
  double theta = 10000;

  std::int64_t head_dim() const { return hidden_size / num_attention_heads; }
  std::int64_t patch_values() const { return num_channels * patch_size * patch_size; }
};
/// Reads vision_config with PixtralVisionConfig's defaults, or Mistral3Config's own tower where it
/// is empty.
Result<PixtralOptions> read_pixtral_options(const Json& vision_config, const std::string& where);

class PixtralTower : public torch::nn::Module, public PatchPort {
 public:
  PixtralTower(const PixtralOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [patches, 3·patch·patch], picture after picture and row by row → the states after
  /// the first `layers` layers [patches, hidden]. `input.aside` may hold what prepare() has put
  /// there.
  torch::Tensor forward(const ModelInput& input, std::int64_t layers);
  /// Makes on the host what forward() needs to know of the pictures' grids.
  void prepare(ModelInput& input) const;
  TowerCost cost(const Pass& pass, std::int64_t layers) const;

 private:
  class Transformer;
  class Layer;
  torch::Tensor angles(const ModelInput& input) const;
  RowLayout pictures(const ModelInput& input) const;

  PixtralOptions options_;
  std::shared_ptr<PatchProduct> patch_conv_;
  RmsNorm ln_pre_{nullptr};
  std::vector<std::shared_ptr<Layer>> layers_;
};

}  // namespace luthier
