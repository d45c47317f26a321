// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of Chameleon's decoder (ChameleonDecoderLayer and ChameleonSwinDecoderLayer of
// transformers 5.17): Llama's, but for a LayerNorm of each head of queries and keys whose weight
// and bias are that head's own, and norms that may stand behind attention and MLP in the place of
// before.
#pragma once

#include <memory>

#include "engine/models/decoder.h"

namespace luthier {

/// x [tokens, heads, size] → the same, each head normed by itself.
class OwnHeadNormImpl : public ParameterModule {
 public:
  OwnHeadNormImpl(std::int64_t heads, std::int64_t size, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const;
  std::int64_t kept(const StepTerms& terms, std::int64_t tokens, bool flows) const;
  std::string type_name() const override { return "LayerNorm"; }

 private:
  torch::Tensor weight_, bias_;  // [heads, size]
};
TORCH_MODULE(OwnHeadNorm);

class ChameleonAttentionImpl : public torch::nn::Module, public AttentionPort, public TokenMixer {
 public:
  ChameleonAttentionImpl(const DecoderOptions& options, std::int64_t layer,
                         const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           std::int64_t asked, bool flows) const override;
  std::int64_t count_before() const override { return AttentionPort::count_before(); }

 private:
  std::int64_t layer_, heads_, kv_heads_, head_dim_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
  OwnHeadNorm q_norm_{nullptr}, k_norm_{nullptr};
};
TORCH_MODULE(ChameleonAttention);

class ChameleonLayerImpl : public torch::nn::Module, public DecoderBlock {
 public:
  ChameleonLayerImpl(const DecoderOptions& options, std::int64_t layer,
                     const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& all, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  bool narrows() const override { return rows_alone(*this); }
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  std::int64_t count_before() const override { return self_attn_->count_before(); }
  const torch::nn::Module& module() const override { return *this; }

 private:
  bool behind_;  ///< the norms
  ChameleonAttention self_attn_{nullptr};
  std::shared_ptr<GatedMlpImpl> mlp_;
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr};
};
TORCH_MODULE(ChameleonLayer);

/// Reads what ChameleonConfig has besides Llama's. Norms that stand behind are told by
/// `norms_by_place`: they are called by what they follow, then.
Status read_chameleon_layers(const Json& config, const std::string& where, DecoderOptions& options);

}  // namespace luthier
