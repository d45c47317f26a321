// SPDX-License-Identifier: GPL-3.0-or-later
// The one causal decoder, with options that make it Llama, Mistral or Qwen2 (and leave room for its relatives): pre-norm layers of grouped-query
// attention with rotary positions and a gated MLP. After LlamaModel, MistralModel and Qwen2Model of transformers 5.17.
#pragma once

#include <optional>

#include "engine/nn/layers.h"
#include "engine/nn/attention.h"
#include "engine/nn/linear.h"

namespace luthier {

struct DecoderOptions {
  std::string model_type;
  std::int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  double rms_norm_eps = 1e-6, initializer_range = 0.02;
  Activation hidden_act = Activation::Silu;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  RotaryOptions rotary;
  std::vector<std::optional<std::int64_t>> sliding_windows;   ///< one a layer; nullopt: full attention
};
/// Reads text_config with the defaults of its model_type's configuration class.
Result<DecoderOptions> read_decoder_options(const Json& text_config, const std::string& where);

class SelfAttentionImpl : public torch::nn::Module {
 public:
  SelfAttentionImpl(const DecoderOptions& options, std::int64_t layer, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const RotaryTable& rotary, KeyValueCache* cache);   // [batch, seq, hidden]
 private:
  std::int64_t layer_, heads_, kv_heads_, head_dim_;
  std::optional<std::int64_t> sliding_window_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
};
TORCH_MODULE(SelfAttention);

class GatedMlpImpl : public torch::nn::Module {
 public:
  GatedMlpImpl(const DecoderOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x);
 private:
  Activation activation_;
  Linear gate_proj_{nullptr}, up_proj_{nullptr}, down_proj_{nullptr};
};
TORCH_MODULE(GatedMlp);

class DecoderLayerImpl : public torch::nn::Module {
 public:
  DecoderLayerImpl(const DecoderOptions& options, std::int64_t layer, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const RotaryTable& rotary, KeyValueCache* cache);
 private:
  SelfAttention self_attn_{nullptr};
  GatedMlp mlp_{nullptr};
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr};
};
TORCH_MODULE(DecoderLayer);

class DecoderImpl : public torch::nn::Module {
 public:
  DecoderImpl(const DecoderOptions& options, const torch::TensorOptions& tensors);
  /// embeddings [batch, seq, hidden] → [batch, seq, hidden] after the final norm. Positions continue from the cache's length.
  torch::Tensor forward(const torch::Tensor& embeddings, KeyValueCache* cache, bool checkpointing);

  Embedding embed_tokens{nullptr};
  const DecoderOptions options;

 private:
  std::vector<DecoderLayer> layers_;
  RmsNorm norm_{nullptr};
  torch::Tensor frequencies_;
};
TORCH_MODULE(Decoder);

}  // namespace luthier
