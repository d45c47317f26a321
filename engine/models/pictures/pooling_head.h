// SPDX-License-Identifier: GPL-3.0-or-later
// SigLIP's pooling head (Zhai et al. 2023) as SiglipMultiheadAttentionPoolingHead: one learned
// query looks at all of a frame's states, and a feed-forward follows. Language models read no
// pooled output; there the tensors are held for the file.
#pragma once

#include "engine/models/vision_parts.h"
#include "engine/nn/plain_linear.h"

namespace luthier {

/// torch's MultiheadAttention as the head holds it. It reads the last product's own weight,
/// whatever hangs there: an adapter on `out_proj` is in the file and changes nothing, as with PEFT.
class PooledAttention : public ParameterModule {
 public:
  PooledAttention(std::int64_t size, std::int64_t heads, const torch::TensorOptions& tensors);
  /// query [1, size], states [frames, tokens, size] → [frames, size].
  torch::Tensor forward(const torch::Tensor& query, const torch::Tensor& states) const;
  std::string type_name() const override { return "Parameter"; }
  /// Kept of so many frames; `asks`: the query learns.
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t tokens,
                           bool flows, bool asks) const;
  /// Trained where no gradient arrives.
  std::int64_t unreached(const StepTerms& terms) const;

 private:
  std::int64_t heads_;
  torch::Tensor in_proj_weight_, in_proj_bias_;
  PlainLinear out_proj_{nullptr};
};

class PoolingHead : public ParameterModule {
 public:
  PoolingHead(const VisionSizes& sizes, const torch::TensorOptions& tensors);
  /// [frames, tokens, hidden] → [frames, hidden].
  torch::Tensor forward(const torch::Tensor& states) const;
  std::string type_name() const override { return "Parameter"; }
  /// Behind a tower whose stages are in `cost`.
  void add_cost(const StepTerms& terms, std::int64_t frames, std::int64_t tokens,
                TowerCost& cost) const;

 private:
  torch::Tensor probe_;
  std::shared_ptr<PooledAttention> attention_;
  LayerNorm layernorm_{nullptr};
  std::shared_ptr<VisionMlp> mlp_;
};

}  // namespace luthier
