// SPDX-License-Identifier: GPL-3.0-or-later
// Attention of a frame's patches to one another as CLIP's, SigLIP's and AIMv2's towers name it:
// q_proj, k_proj, v_proj, out_proj, no positions.
#pragma once

#include "engine/models/vision_parts.h"

namespace luthier {

class TowerAttention : public torch::nn::Module, public BranchPort {
 public:
  /// `bias`: of all four products.
  TowerAttention(const VisionSizes& sizes, bool bias, const torch::TensorOptions& tensors);
  /// x [frames, tokens, hidden] → the same.
  torch::Tensor forward(const torch::Tensor& x);
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t rows, bool flows) const;

 private:
  std::int64_t heads_;
  Linear k_proj_{nullptr}, v_proj_{nullptr}, q_proj_{nullptr}, out_proj_{nullptr};
};

}  // namespace luthier
