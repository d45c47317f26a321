// SPDX-License-Identifier: GPL-3.0-or-later
// MiniCPM-V 4.6's picture tower as MiniCPMV4_6VisionModel of transformers 5.17, and the merger
// behind it: SigLIP's layers over units of any proportions, which see their own patches alone;
// after one of the layers the patches of each window of two by two look at one another and become
// one.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/minicpmv/unit_layout.h"
#include "engine/models/siglip2/frame_layer.h"
#include "engine/nn/patch_port.h"

namespace luthier {

struct MiniCpmVisionOptions : VisionSizes {
  std::int64_t insert_layer_id = 6;  ///< behind which four patches become one
  bool merges = true;                ///< downsample_mode "16x"; else ("4x") they never do there
  std::int64_t merger_times = 1;     ///< how often four become one behind the tower
  std::int64_t text_width = 0;       ///< of what is handed on

  std::int64_t patch_values() const { return num_channels * patch_size * patch_size; }
  std::int64_t position_side() const { return image_height / patch_size; }
  /// How often four become one, in all.
  std::int64_t levels() const { return merger_times + (merges ? 1 : 0); }
  std::int64_t patches_per_token() const { return std::int64_t{1} << 2 * levels(); }
  /// Patches to one of the tower's features.
  std::int64_t patches_per_feature() const { return merges ? 4 : 1; }
};

class MiniCpmTower : public torch::nn::Module, public PatchPort {
 public:
  MiniCpmTower(const MiniCpmVisionOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [patches, 3 · patch · patch], unit after unit and row by row → the last states
  /// after post_layernorm [features, hidden], those of one token together. `input.aside` may hold
  /// what prepare() has put there.
  torch::Tensor forward(const ModelInput& input);
  /// Makes on the host what forward() needs to know of the units.
  void prepare(ModelInput& input) const;
  TowerCost cost(const Pass& pass) const;

 private:
  class PatchEmbedding;
  class Embeddings;
  class WindowMerger;
  NamedTensorMap places(const std::vector<PatchGrid>& units) const;

  MiniCpmVisionOptions options_;
  std::shared_ptr<Embeddings> embeddings_;
  std::vector<std::shared_ptr<FrameLayer>> layers_;
  LayerNorm post_layernorm_{nullptr};
  std::shared_ptr<WindowMerger> vit_merger_;
};

/// The tower's features to tokens, four becoming one `merger_times` times: a norm and two products
/// each.
class MiniCpmMerger : public torch::nn::Module {
 public:
  MiniCpmMerger(const MiniCpmVisionOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& features);
  ProjectorCost cost(const Pass& pass) const;

 private:
  class Downsample;
  std::vector<std::shared_ptr<Downsample>> mlp_;
};

}  // namespace luthier
