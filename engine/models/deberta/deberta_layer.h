// SPDX-License-Identifier: GPL-3.0-or-later
// DeBERTa's layers: BERT's with disentangled attention, and the convolution over the embeddings
// that some models add to the first layer's states.
#pragma once

#include "engine/models/deberta/disentangled.h"

namespace luthier::deberta {

/// What a frame of such a layer has as its memory is the part of the table of distances that the
/// rows ask for: [part, hidden].
class Layer : public TextLayer {
 public:
  Layer(const Options& o, const torch::TensorOptions& t);
  /// The layer where what goes on are states of their own, [tokens, hidden], which ask `seen`, as
  /// many, for what they read (the enhanced mask decoder's).
  torch::Tensor forward_from(const torch::Tensor& asking, const torch::Tensor& seen,
                             const LayerFrame& frame) const;
  /// Whether a gradient of the table of distances is wanted of it, or comes to its own products.
  bool reads_table() const { return distances_.on && (distances_.c2p || distances_.p2c); }

 protected:
  torch::Tensor attention(const torch::Tensor& x, const LayerFrame& frame) const override;
  AttentionCost core_cost(const StepTerms& terms, const RowsShape& rows) const override;

 private:
  torch::Tensor mixture(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                        const LayerFrame& frame) const;

  Distances distances_;
  Linear pos_key_{nullptr}, pos_query_{nullptr};  ///< the layer's own, where it shares them
};

/// LayerNorm(states + act(conv(embeddings))), each row by itself.
class Convolution : public torch::nn::Module {
 public:
  Convolution(const Options& o, const torch::TensorOptions& t);
  torch::Tensor forward(const torch::Tensor& embeddings, const torch::Tensor& states,
                        const RowLayout& rows) const;
  Stage cost(const StepTerms& terms, std::int64_t tokens, std::int64_t rows, bool flows) const;
  /// Where the tokens stand among zeros that keep rows apart: [tokens] int64, on the host.
  torch::Tensor places(const RowLayout& rows) const;
  /// As places() gave them, from wherever they are now.
  void take_places(const RowLayout& rows, const torch::Tensor& places) const;

 private:
  ConvolutionSizes sizes_;
  std::shared_ptr<ParameterModule> conv_;
  const torch::Tensor *weight_ = nullptr, *bias_ = nullptr;  ///< conv_'s
  LayerNorm norm_{nullptr};
};

}  // namespace luthier::deberta
