// SPDX-License-Identifier: GPL-3.0-or-later
// Attention on a CPU whose cores multiply tiles (bfloat16 in training, nn/tile_loops.h) or have
// AVX-512 (float32, nn/float_loops.h): LibTorch's own calls a library several times for each few
// scores, which takes some times as long as the products.
#pragma once

#include <vector>

#include "engine/device/torch.h"
#include "engine/nn/key_value_cache.h"

namespace luthier {

/// What queries see: keys up to their own, all, or a stretch of keys for each.
enum class Sight { Causal, All, Stretches };

/// Whether loop_attention can make this of queries, keys and values [batch, heads, seq, head_dim]
/// each. Tiles know no stretches, and want a gradient to come.
bool loops_take(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                Sight sight);

/// softmax(scale · q kᵀ) v; scale: of the scores, 1 / √head_dim where there is none. `stretches`
/// [batch or 1, seq, 2] int32: the first key that each query sees, and the one behind the last.
torch::Tensor loop_attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                             Sight sight, const std::optional<double>& scale,
                             const torch::Tensor& stretches = {});

/// Whether token_attention takes queries like these, and keys and values of their type.
bool token_loops_take(const torch::Tensor& q);

/// The newest token of each row over the row's keys: q [rows, heads, head_dim], k and v [rows,
/// kv_heads, keys, head_dim], numbers of a head side by side → [rows, heads · head_dim]. Keys are
/// read as they lie and not repeated for queries that share them. `first` [rows]: the first key
/// that each row sees; it sees one at least. What a row comes to goes by those keys alone. `alike`
/// [rows], or none: keys that several rows have are read of one, while they are near.
torch::Tensor token_attention(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, const std::vector<std::int64_t>& first,
                              const std::vector<KeyValueCache::Alike>& alike, double scale);

}  // namespace luthier
