// SPDX-License-Identifier: GPL-3.0-or-later
// Attention in bfloat16 on a CPU that multiplies tiles (nn/tile_loops.h): LibTorch's own backward
// calls oneDNN five times for each few scores, which takes some times as long as the products.
#pragma once

#include "engine/device/torch.h"

namespace luthier {

/// Whether tile_attention can make this of queries, keys and values [batch, heads, seq, head_dim]
/// each, with a gradient to come.
bool tiles_take(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v);

/// softmax(scale · q kᵀ) v, `causal`: query i sees keys up to i; scale: of the scores, 1 /
/// √head_dim where there is none. LibTorch makes the result; its gradient is ours.
torch::Tensor tile_attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                             bool causal, const std::optional<double>& scale);

}  // namespace luthier
