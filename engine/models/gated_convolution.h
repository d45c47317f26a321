// SPDX-License-Identifier: GPL-3.0-or-later
// A layer's mixer by a gated short convolution (LFM2, Liquid AI 2025), as Lfm2ShortConv of
// transformers 5.17: one product makes two gates and what they open, the first of them opens what
// goes into a causal convolution over a few tokens, the second what comes out.
#pragma once

#include <string>
#include <vector>

#include "engine/io/json.h"
#include "engine/models/token_mixer.h"
#include "engine/nn/linear.h"
#include "engine/nn/short_convolution.h"

namespace luthier {

struct DecoderOptions;

/// Which layers mix so, and how.
struct ConvolutionOptions {
  std::int64_t kernel = 3;   ///< tokens that a token is made of, itself among them
  bool bias = false;         ///< of the convolution and of both products
  std::vector<bool> layers;  ///< one a layer: whether it does
};

/// What an LFM2's config says that others do not: `layer_types`, else `full_attn_idxs`, which
/// layers attend (all, where neither stands there); the convolution; how wide the MLPs are.
Status read_lfm2(const Json& config, const std::string& where, DecoderOptions& options);
/// Its word for a tied head, which wins over the one that all have.
void untie_lfm2(Json& config);

class GatedConvolutionImpl : public torch::nn::Module, public TokenMixer {
 public:
  GatedConvolutionImpl(const ConvolutionOptions& options, std::int64_t layer,
                       std::int64_t hidden_size, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           std::int64_t asked, bool flows) const override;

 private:
  std::int64_t layer_;
  ShortConvolution conv_{nullptr};
  Linear in_proj_{nullptr}, out_proj_{nullptr};
};
TORCH_MODULE(GatedConvolution);

}  // namespace luthier
