// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of Gemma 4's decoder (Gemma4TextDecoderLayer of transformers 5.17): queries, keys and
// values normed head by head, the keys and values of an earlier layer of its type where it has none
// of its own, norms before and behind each half, experts beside the MLP where the model has them,
// each token's embedding for this layer, and a stored number that all of it is multiplied with.
#pragma once

#include <memory>

#include "engine/models/decoder.h"

namespace luthier {

class Gemma4AttentionImpl : public torch::nn::Module, public TokenMixer {
 public:
  Gemma4AttentionImpl(const DecoderOptions& options, std::int64_t layer,
                      const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           std::int64_t asked, bool flows) const override;

 private:
  /// Its own keys, turned, and values.
  KeysAndValues made(const torch::Tensor& x, const RotaryTable& rotary, torch::Tensor& query);

  std::int64_t layer_, source_, heads_, kv_heads_, head_dim_;
  double epsilon_;
  bool seen_;         ///< a later layer sees its keys and values
  bool sees_blocks_;  ///< tokens of a picture see one another
  AttentionRule rule_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
  RmsNorm q_norm_{nullptr}, k_norm_{nullptr};
};
TORCH_MODULE(Gemma4Attention);

/// The likeliest experts of each token, by a product of its state normed and scaled; each expert's
/// share is multiplied with a number of its own.
class Gemma4RouterImpl : public ParameterModule {
 public:
  Gemma4RouterImpl(const DecoderOptions& options, const torch::TensorOptions& tensors);
  Routing route(const torch::Tensor& x) const;  // [tokens, hidden]
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;
  const Linear& product() const { return proj_; }

 private:
  std::int64_t each_;
  double epsilon_;
  torch::Tensor scale_, per_expert_scale_;  // [hidden], [experts]
  Linear proj_{nullptr};
};
TORCH_MODULE(Gemma4Router);

class Gemma4LayerImpl : public ParameterModule, public DecoderBlock {
 public:
  Gemma4LayerImpl(const DecoderOptions& options, std::int64_t layer,
                  const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  bool narrows() const override { return rows_alone(*this); }
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  const torch::nn::Module& module() const override { return *this; }
  std::string type_name() const override { return "Gemma4Layer"; }

 private:
  /// What the MLP, and the experts beside it, make of states.
  torch::Tensor fed(const torch::Tensor& normal, const torch::Tensor& states, RouterNotes* routers);

  Activation activation_;
  std::int64_t each_ = 0;       // experts that a token goes to
  torch::Tensor layer_scalar_;  // [1]
  Gemma4Attention self_attn_{nullptr};
  std::shared_ptr<GatedMlpImpl> mlp_;
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr},
      pre_feedforward_layernorm_{nullptr}, post_feedforward_layernorm_{nullptr};
  std::int64_t hidden_size() const { return input_layernorm_->weight.size(0); }
  MlpCost fed_cost(const StepTerms& terms, std::int64_t tokens, bool flows) const;

  // Of a layer with experts.
  Gemma4Router router_{nullptr};
  Experts experts_{nullptr};
  RmsNorm post_feedforward_layernorm_1_{nullptr}, post_feedforward_layernorm_2_{nullptr},
      pre_feedforward_layernorm_2_{nullptr};
  // Of a layer with embeddings of its own.
  Linear per_layer_input_gate_{nullptr}, per_layer_projection_{nullptr};
  RmsNorm post_per_layer_input_norm_{nullptr};
};
TORCH_MODULE(Gemma4Layer);

/// Bytes of a layer's keys and values.
std::int64_t gemma4_keys(const DecoderOptions& options, const StepTerms& terms, std::int64_t layer,
                         std::int64_t tokens);

/// What stands while a layer's backward runs for those before it: the gradients of keys and values
/// that later layers saw, and of the embeddings of later layers.
std::int64_t gemma4_waiting(const DecoderOptions& options, const StepTerms& terms,
                            std::int64_t layer, std::int64_t tokens, bool of_embeddings);

}  // namespace luthier
