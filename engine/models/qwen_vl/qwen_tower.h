// SPDX-License-Identifier: GPL-3.0-or-later
// The picture towers of Qwen2-VL (Wang et al. 2024), Qwen2.5-VL (Bai et al. 2025), Qwen3-VL and
// GLM-V:
// pictures of any size as runs of patches, rotary positions of rows and columns, attention within a
// picture or a window, and mergers that make one feature of a block of patches.
#pragma once

#include "engine/models/cost.h"
#include "engine/models/glm4v/wide_merger.h"
#include "engine/models/qwen_vl/qwen_layout.h"
#include "engine/models/qwen_vl/qwen_options.h"
#include "engine/nn/patch_port.h"

namespace luthier {

class QwenTower : public torch::nn::Module, public PatchPort {
 public:
  QwenTower(const QwenVisionOptions& options, const torch::TensorOptions& tensors);
  /// pixel_values [patches, 3·time·patch·patch] → the last layer's states, and beside them those of
  /// the DeepStack layers in the order they run: [patches, width · (1 + DeepStack layers)]. `aside`
  /// may hold what prepare() has put there.
  torch::Tensor forward(const torch::Tensor& pixel_values, const std::vector<QwenGrid>& grids,
                        const NamedTensorMap& aside = {});
  /// Makes on the host what forward() needs to know of pictures of these grids.
  void prepare(const std::vector<QwenGrid>& grids, NamedTensorMap& aside) const;
  /// What the merger makes of the last layer's states: [tokens, out].
  torch::Tensor merge(const torch::Tensor& states);
  /// What the DeepStack mergers make of their layers' states, in the order these run.
  std::vector<torch::Tensor> merge_deepstack(const torch::Tensor& states);

  TowerCost cost(const Pass& pass) const;
  /// Of all mergers.
  ProjectorCost mergers_cost(const Pass& pass) const;

 private:
  class PatchEmbed;
  class Block;
  class Merger;
  void register_positions(const torch::TensorOptions& tensors);
  torch::Tensor states_of(const torch::Tensor& states, std::size_t place) const;
  torch::Tensor with_positions(const torch::Tensor& x, const NamedTensorMap& made) const;
  torch::Tensor angles(const std::vector<QwenGrid>& grids) const;
  WindowOrder windows_of(const std::vector<QwenGrid>& grids) const;
  void set_tables_aside(const std::vector<QwenGrid>& grids, const WindowOrder& order,
                        NamedTensorMap& aside) const;

  QwenVisionOptions options_;
  std::shared_ptr<PatchEmbed> patch_embed_;
  Embedding pos_embed_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  std::shared_ptr<Merger> merger_;
  RmsNorm conv_norm_{nullptr}, last_norm_{nullptr};  ///< GLM-V's, and what it has for a merger
  std::shared_ptr<BlockConvolution> downsample_;
  std::shared_ptr<WideMerger> wide_merger_;
  std::vector<std::shared_ptr<Merger>> deepstack_mergers_;
};

}  // namespace luthier
