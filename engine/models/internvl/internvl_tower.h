// SPDX-License-Identifier: GPL-3.0-or-later
// InternVL's picture tower (Chen et al. 2024): a pre-norm vision transformer with a class token,
// learned positions that stretch to other sizes, and a learned scale on what each half of a layer
// adds. As InternVLVisionModel of transformers 5.17, under its in-memory names.
#pragma once

#include <string>
#include <vector>

#include "engine/models/vision_parts.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct InternVLTowerOptions : VisionSizes {
  bool attention_bias = false, qk_norm = false, rms_norm = false;
  bool absolute_positions = true;
  bool mask_token = false;  ///< a tensor of the file that nothing reads
  bool final_norm = false;  ///< where the file's pooling takes the class token
};
/// Reads vision_config with InternVLVisionConfig's defaults.
Result<InternVLTowerOptions> read_internvl_tower_options(const Json& vision_config,
                                                         const std::string& where);

class InternVLTowerImpl : public torch::nn::Module, public PatchPort {
 public:
  InternVLTowerImpl(const InternVLTowerOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [frames, 3, height, width] → what leaves the first `layers` layers, after the
  /// last norm where `normed` (and there is one): [frames, 1 + patches, hidden].
  torch::Tensor forward(const torch::Tensor& pixel_values, std::int64_t layers, bool normed);
  /// Of so many patches, the frames' class tokens among them.
  TowerCost cost(const Pass& pass, std::int64_t patches, std::int64_t layers, bool normed) const;

  const InternVLTowerOptions options;

 private:
  class Layer;
  class Embeddings;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<Layer>> layers_;
  LayerNorm norm_{nullptr};
};
TORCH_MODULE(InternVLTower);

}  // namespace luthier
