// SPDX-License-Identifier: GPL-3.0-or-later
// Attention in training on a CPU whose cores multiply tiles (bfloat16, nn/tile_loops.h) or have
// AVX-512 (float32, nn/float_loops.h): LibTorch's own calls a library several times for each few
// scores, which takes some times as long as the products.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// Whether loop_attention can make this of queries, keys and values [batch, heads, seq, head_dim]
/// each, with a gradient to come.
bool loops_take(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v);

/// softmax(scale · q kᵀ) v, `causal`: query i sees keys up to i; scale: of the scores, 1 /
/// √head_dim where there is none.
torch::Tensor loop_attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                             bool causal, const std::optional<double>& scale);

}  // namespace luthier
