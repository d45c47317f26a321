// SPDX-License-Identifier: GPL-3.0-or-later
// What a mixer by the gated delta rule makes of its products, in one function of autograd by loops
// of our own (nn/delta_loops): on a CPU with AVX-512, in float32. Chunk by chunk by LibTorch
// (nn/delta_rule) some thirty tensors are made of each token, rows are padded to the longest, and
// their copies take longer than the products.
#pragma once

#include "engine/device/torch.h"
#include "engine/nn/delta_loops.h"
#include "engine/nn/rows.h"

namespace luthier {

/// What delta_mixture is given. All products of the same tokens.
struct DeltaProducts {
  torch::Tensor mixed;  ///< [tokens, channels]: queries, keys and values
  torch::Tensor gate;   ///< [tokens, values]
  torch::Tensor write;  ///< [tokens, value_heads], before the sigmoid
  torch::Tensor decay;  ///< [tokens, value_heads], before the softplus
};
struct DeltaWeights {
  torch::Tensor taps;  ///< [channels, 1, kernel]: of the convolution
  torch::Tensor bias;  ///< [value_heads]: dt_bias
  torch::Tensor rate;  ///< [value_heads]: A_log
  torch::Tensor norm;  ///< [value_dim]
};

/// Whether the loops take these. Rows that stand somewhere else (RowLayout::standing) they do not.
bool delta_mixture_takes(const DeltaProducts& products, const DeltaWeights& weights,
                         const delta::MixerSizes& sizes);

/// norm(rule(SiLU(convolution(mixed)))) · SiLU(gate), [tokens, values], of rows that each begin
/// with an empty state; differentiable in all of both. Keeps what it is given, and makes the rest
/// again.
torch::Tensor delta_mixture(const DeltaProducts& products, const DeltaWeights& weights,
                            const delta::MixerSizes& sizes, const RowLayout& rows);

/// Bytes that its backward lays out on each thread for a row so long.
std::int64_t delta_mixture_room(const delta::MixerSizes& sizes, std::int64_t longest);

}  // namespace luthier
