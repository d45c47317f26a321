// SPDX-License-Identifier: GPL-3.0-or-later
// Idefics' gated layers before those of its Llama decoder (Flamingo, Alayrac et al. 2022; as
// IdeficsGatedCrossAttentionLayer of transformers 5.17): what a token sees of the last picture
// before it, and an MLP, each opened by the tanh of a learned number, or of one for each feature. A
// token that sees none gets the MLP's part alone.
#pragma once

#include <memory>

#include "engine/models/decoder.h"
#include "engine/models/mllama/picture_sight.h"

namespace luthier {

struct GateOptions {
  std::int64_t state_width = 768;  ///< of the pictures' states
  bool qk_norm = false;            ///< RMSNorm of each head's query and key
  bool by_feature = false;         ///< a gate for each feature
  enum class Start { Zeros, Ones, Drawn } start = Start::Zeros;
  double range = 0;  ///< of gates that are drawn
};

class GatedAttentionImpl : public torch::nn::Module, public BranchPort {
 public:
  GatedAttentionImpl(const DecoderOptions& options, const GateOptions& gates, std::int64_t layer,
                     const torch::TensorOptions& tensors);
  /// x [tokens that see a picture, hidden] → the same. With a cache, what each row's last token saw
  /// is there for those to come.
  torch::Tensor forward(const torch::Tensor& x, const PictureSight& sight, KeyValueCache* cache);
  /// Of tokens that come later, as many of each row.
  torch::Tensor go_on(const torch::Tensor& x, KeyValueCache& cache);
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           bool flows) const;
  bool keeps_states(const StepTerms& terms) const;
  std::int64_t state_width() const { return k_proj_->in_features(); }

 private:
  torch::Tensor queries(const torch::Tensor& x);

  std::int64_t layer_, heads_, head_dim_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, o_proj_{nullptr};
  RmsNorm q_layer_norm_{nullptr}, k_layer_norm_{nullptr};
};
TORCH_MODULE(GatedAttention);

class GatedLayerImpl : public ParameterModule {
 public:
  /// `layer`: of the decoder, that it stands before.
  GatedLayerImpl(const DecoderOptions& options, const GateOptions& gates, std::int64_t layer,
                 const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        KeyValueCache* cache);
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 bool flows) const;
  bool keeps_states(const StepTerms& terms) const { return cross_attn_->keeps_states(terms); }
  std::int64_t state_width() const { return cross_attn_->state_width(); }
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;

 private:
  torch::Tensor attended(const torch::Tensor& x, const TokenSequence& sequence,
                         KeyValueCache* cache);

  std::int64_t layer_;
  const GateOptions gates_;
  torch::Tensor alpha_cross_attn_, alpha_dense_;  // [1], or [1, 1, hidden]
  GatedAttention cross_attn_{nullptr};
  std::shared_ptr<GatedMlpImpl> mlp_;
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr};
};
TORCH_MODULE(GatedLayer);

/// A layer of the decoder, with the gated one before it, where there is one: that is the model's
/// own module.
class IdeficsLayerImpl : public DecoderLayerImpl, public SeesPictures {
 public:
  using DecoderLayerImpl::DecoderLayerImpl;
  void put_before(GatedLayer gated) { gated_ = std::move(gated); }
  torch::Tensor forward(const torch::Tensor& all, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  bool sees_pictures() const override { return !gated_.is_empty(); }
  bool keeps_states(const StepTerms& terms) const override { return gated_->keeps_states(terms); }
  std::int64_t state_width() const override { return gated_->state_width(); }

 private:
  GatedLayer gated_{nullptr};
};

/// Reads what of a Llama decoder IdeficsConfig fixes or lacks.
Status read_idefics_layers(const Json& config, const std::string& where, DecoderOptions& options);

}  // namespace luthier
