// SPDX-License-Identifier: GPL-3.0-or-later
// A layer of Gemma 3n's decoder (Gemma3nTextDecoderLayer of transformers 5.17): attention and MLP
// upon one of the token's streams, with Gemma 4's keys and values and a low-rank way past
// attention; what they make corrects all streams, and each token's embedding for this layer is
// added to all but the first.
#pragma once

#include <memory>

#include "engine/models/gemma3n/alt_up.h"
#include "engine/models/gemma4/layer.h"

namespace luthier {

class Gemma3nLayerImpl : public torch::nn::Module, public DecoderBlock {
 public:
  Gemma3nLayerImpl(const DecoderOptions& options, std::int64_t layer,
                   const torch::TensorOptions& tensors);
  /// x [tokens, streams, hidden] → [own tokens, streams, hidden].
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  bool narrows() const override { return rows_alone(*this); }
  LayerCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                 std::int64_t asked, bool flows) const override;
  const torch::nn::Module& module() const override { return *this; }

 private:
  std::int64_t hidden_size() const { return input_layernorm_->weight.size(0); }

  std::int64_t streams_, active_;
  Activation activation_;
  AltUp altup_{nullptr};
  Laurel laurel_{nullptr};
  Gemma4Attention self_attn_{nullptr};
  std::shared_ptr<GatedMlpImpl> mlp_;
  RmsNorm input_layernorm_{nullptr}, post_attention_layernorm_{nullptr},
      pre_feedforward_layernorm_{nullptr}, post_feedforward_layernorm_{nullptr},
      post_per_layer_input_norm_{nullptr};
  Linear per_layer_input_gate_{nullptr}, per_layer_projection_{nullptr};
};
TORCH_MODULE(Gemma3nLayer);

}  // namespace luthier
