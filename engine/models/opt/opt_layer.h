// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of OPT's decoder (OPTDecoderLayer of transformers 5.17): LayerNorms before attention,
// which knows no positions of its own, and before two products with an activation between them.
#pragma once

#include "engine/models/decoder.h"

namespace luthier {

/// The layer itself is the branch of its feed-forward, whose products are the layer's own.
class OptLayerImpl : public torch::nn::Module, public DecoderBlock, public BranchPort {
 public:
  OptLayerImpl(const DecoderOptions& options, std::int64_t layer,
               const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  bool narrows() const override { return rows_alone(*this); }
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  std::int64_t count_before() const override { return self_attn_->count_before(); }
  const torch::nn::Module& module() const override { return *this; }

 private:
  Activation activation_;
  SelfAttention self_attn_{nullptr};
  LayerNorm self_attn_layer_norm_{nullptr}, final_layer_norm_{nullptr};
  Linear fc1_{nullptr}, fc2_{nullptr};
};

}  // namespace luthier
