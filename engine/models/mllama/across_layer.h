// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of Llama 3.2 Vision's decoder that looks across to pictures in the place of its own row
// (MllamaCrossAttentionDecoderLayer of transformers 5.17): heads of queries and keys are normed and
// know no positions, and learned numbers open what either half adds. Rows without pictures pass it
// as they came.
#pragma once

#include <memory>

#include "engine/models/decoder.h"
#include "engine/models/mllama/picture_sight.h"

namespace luthier {

class AcrossAttentionImpl : public torch::nn::Module, public BranchPort {
 public:
  AcrossAttentionImpl(const DecoderOptions& options, std::int64_t layer,
                      const torch::TensorOptions& tensors);
  /// x [tokens of rows that have pictures, hidden] → the same. With a cache, what each row's last
  /// token saw is there for those to come.
  torch::Tensor forward(const torch::Tensor& x, const PictureSight& sight, KeyValueCache* cache);
  /// Of tokens that come later, as many of each row.
  torch::Tensor go_on(const torch::Tensor& x, KeyValueCache& cache);
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           bool flows) const;
  /// Whether the pictures' states are kept for the backward of its products.
  bool keeps_states(const StepTerms& terms) const;

 private:
  torch::Tensor queries(const torch::Tensor& x);
  torch::Tensor out(const torch::Tensor& mixed);

  std::int64_t layer_, heads_, kv_heads_, head_dim_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
  RmsNorm q_norm_{nullptr}, k_norm_{nullptr};
};
TORCH_MODULE(AcrossAttention);

class AcrossLayerImpl : public ParameterModule, public DecoderBlock, public SeesPictures {
 public:
  AcrossLayerImpl(const DecoderOptions& options, std::int64_t layer,
                  const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& all, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  /// Which tokens see what is known of all of them.
  bool narrows() const override { return false; }
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  bool keeps_states(const StepTerms& terms) const override {
    return cross_attn_->keeps_states(terms);
  }
  std::int64_t state_width() const override { return input_layernorm_->weight.size(0); }
  const torch::nn::Module& module() const override { return *this; }
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;

 private:
  /// `mixed`: what attention gives; `opened`: see PictureSight.
  torch::Tensor halves(const torch::Tensor& x, const torch::Tensor& mixed,
                       const torch::Tensor& opened);

  std::int64_t layer_;
  torch::Tensor attn_gate_, mlp_gate_;  // [1]
  AcrossAttention cross_attn_{nullptr};
  std::shared_ptr<GatedMlpImpl> mlp_;
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr};
};
TORCH_MODULE(AcrossLayer);

}  // namespace luthier
