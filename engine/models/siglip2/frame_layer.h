// SPDX-License-Identifier: GPL-3.0-or-later
// SigLIP's layer over frames of any lengths, one after another, whose patches see those of their
// own frame, or those of it that show something: what the towers of SigLIP 2, MiniCPM-V and
// Phi-4-multimodal are made of.
#pragma once

#include <memory>

#include "engine/models/cost.h"
#include "engine/models/vision_parts.h"
#include "engine/nn/rows.h"

namespace luthier {

/// Of frames that are filled up, the patches that are seen.
struct SeenPatches {
  RowLayout rows;        ///< of each frame
  torch::Tensor places;  ///< [seen patches] int64, into all frames' patches
};

class FrameAttention : public torch::nn::Module, public BranchPort {
 public:
  FrameAttention(const VisionSizes& sizes, const torch::TensorOptions& tensors);
  /// x [patches, hidden] → the same. `seen` null: all patches are.
  torch::Tensor forward(const torch::Tensor& x, const RowLayout& frames,
                        const SeenPatches* seen = nullptr);
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& frames, bool flows) const;

 private:
  std::int64_t heads_, size_;
  Linear k_proj_{nullptr}, v_proj_{nullptr}, q_proj_{nullptr}, out_proj_{nullptr};
};

class FrameLayer : public torch::nn::Module {
 public:
  FrameLayer(const VisionSizes& sizes, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const RowLayout& frames,
                        const SeenPatches* seen = nullptr);
  LayerCost cost(const StepTerms& terms, const RowsShape& frames, bool flows) const;

 private:
  LayerNorm layer_norm1_{nullptr}, layer_norm2_{nullptr};
  std::shared_ptr<FrameAttention> self_attn_;
  std::shared_ptr<VisionMlp> mlp_;
};

}  // namespace luthier
