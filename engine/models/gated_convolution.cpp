// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gated_convolution.h"

#include "engine/models/decoder.h"

namespace luthier {

using torch::Tensor;

GatedConvolutionImpl::GatedConvolutionImpl(const ConvolutionOptions& o, std::int64_t layer,
                                           std::int64_t hidden_size,
                                           const torch::TensorOptions& tensors)
    : TokenMixer(hidden_size), layer_(layer) {
  conv_ = register_module("conv", ShortConvolution(hidden_size, o.kernel, tensors, o.bias));
  in_proj_ = register_module("in_proj", Linear(hidden_size, 3 * hidden_size, o.bias, tensors));
  out_proj_ = register_module("out_proj", Linear(hidden_size, hidden_size, o.bias, tensors));
}

Tensor GatedConvolutionImpl::forward(const Tensor& x, const TokenSequence& sequence,
                                     const RotaryTable&, KeyValueCache* cache) {
  const RowLayout& rows = sequence.rows;
  const std::vector<Tensor> made = in_proj_(x).chunk(3, -1);
  const Tensor given = rows.pad(made[0] * made[2]).transpose(1, 2);  // [rows, hidden, seq]
  const Tensor mixed = conv_->after(given, cache ? &cache->carried(layer_).columns : nullptr);
  return out_proj_(made[1] * rows.unpad(mixed.transpose(1, 2)));
}

}  // namespace luthier
