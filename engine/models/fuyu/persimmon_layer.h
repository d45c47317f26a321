// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of Persimmon's decoder, which Fuyu's is, too (PersimmonDecoderLayer of
// transformers 5.17): LayerNorms with biases, a product of each head's query, key and value side by
// side, a LayerNorm of one head on queries and keys, the first part of a head turned, and an MLP
// through relu's square.
#pragma once

#include <memory>

#include "engine/models/decoder.h"

namespace luthier {

class PersimmonAttentionImpl : public torch::nn::Module, public AttentionPort, public TokenMixer {
 public:
  PersimmonAttentionImpl(const DecoderOptions& options, std::int64_t layer,
                         const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           std::int64_t asked, bool flows) const override;
  std::int64_t count_before() const override { return AttentionPort::count_before(); }

 private:
  std::int64_t layer_, heads_, head_dim_;
  Linear query_key_value_{nullptr}, dense_{nullptr};
  LayerNorm q_layernorm_{nullptr}, k_layernorm_{nullptr};
};
TORCH_MODULE(PersimmonAttention);

/// One product, relu's square, a product back.
class PersimmonMlpImpl : public FeedForward {
 public:
  PersimmonMlpImpl(const DecoderOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, RouterNotes* = nullptr) override;
  MlpCost cost(const StepTerms& terms, std::int64_t tokens, bool flows) const override;

 private:
  const Activation activation_;
  Linear dense_h_to_4h_{nullptr}, dense_4h_to_h_{nullptr};
};
TORCH_MODULE(PersimmonMlp);

class PersimmonLayerImpl : public torch::nn::Module, public DecoderBlock {
 public:
  PersimmonLayerImpl(const DecoderOptions& options, std::int64_t layer,
                     const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& all, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  bool narrows() const override { return rows_alone(*this); }
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  std::int64_t count_before() const override { return self_attn_->count_before(); }
  const torch::nn::Module& module() const override { return *this; }

 private:
  PersimmonAttention self_attn_{nullptr};
  PersimmonMlp mlp_{nullptr};
  LayerNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr};
};
TORCH_MODULE(PersimmonLayer);

/// Reads what PersimmonConfig has besides sizes and rotary settings.
Status read_persimmon(const Json& config, const std::string& where, DecoderOptions& options);

}  // namespace luthier
