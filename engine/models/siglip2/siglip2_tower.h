// SPDX-License-Identifier: GPL-3.0-or-later
// SigLIP 2's picture tower for pictures of any proportions (NaFlex, Tschannen et al. 2025) as
// Siglip2VisionModel of transformers 5.17: flat patches, positions from one table stretched over
// each picture, frames that see their own patches alone. Its pooling head belongs to the file;
// models that read patches have no use for it.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/model_input.h"
#include "engine/models/siglip2/frame_layer.h"
#include "engine/models/siglip2/naflex_grid.h"
#include "engine/models/vision_parts.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct Siglip2Options : VisionSizes {
  std::int64_t position_side = 16;  ///< of the table: the root of num_patches
  bool pooling_head = true;

  std::int64_t patch_values() const { return num_channels * patch_size * patch_size; }
};
/// Reads vision_config with Siglip2VisionConfig's defaults.
Result<Siglip2Options> read_siglip2_options(const Json& vision_config, const std::string& where);

class Siglip2Tower : public torch::nn::Module, public PatchPort {
 public:
  Siglip2Tower(const Siglip2Options& options, const torch::TensorOptions& tensors);
  /// pixel_values [patches, patch · patch · 3], frame after frame and row by row → the last states
  /// after post_layernorm [patches, hidden]. `input.aside` may hold what prepare() has put there.
  torch::Tensor forward(const ModelInput& input, const std::vector<PatchGrid>& frames);
  /// Makes on the host what forward() needs to know of the frames.
  void prepare(ModelInput& input, const std::vector<PatchGrid>& frames) const;
  TowerCost cost(const Pass& pass) const;

 private:
  class Embeddings;
  class Encoder;

  Siglip2Options options_;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<FrameLayer>> layers_;
  LayerNorm post_layernorm_{nullptr};
  std::shared_ptr<torch::nn::Module> head_;  ///< null: there is none
};

}  // namespace luthier
