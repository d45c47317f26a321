// SPDX-License-Identifier: GPL-3.0-or-later
// The gated delta rule (Yang et al. 2024): linear attention whose state S [key_dim, value_dim] of
// each head forgets a share, reads what it holds at a token's key, and writes the difference to the
// token's value there:  S ← e^g S;  S ← S + k (β (v − Sᵀk))ᵀ;  out = Sᵀ q.  As transformers 5.17
// computes it for Qwen3.5: keys and queries of length 1, queries over √key_dim, all in float32. By
// LibTorch, in any type, on any device, and from a state; training in float32 on most CPUs goes
// through nn/delta_mixture.
#pragma once

#include <cstdint>

#include "engine/device/torch.h"

namespace luthier {

/// Each key head serves value_heads / key_heads neighbouring value heads.
struct DeltaSizes {
  std::int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;

  std::int64_t keys() const { return key_heads * key_dim; }
  std::int64_t values() const { return value_heads * value_dim; }
  std::int64_t channels() const { return 2 * keys() + values(); }  ///< queries, keys, values
};

/// Tokens that are made together, by products of matrices: the state is carried from chunk to
/// chunk.
constexpr std::int64_t kDeltaChunk = 64;

struct DeltaPass {
  torch::Tensor out;    ///< [rows, seq, value_heads, value_dim], in the type of `mixed`
  torch::Tensor state;  ///< [rows, value_heads, key_dim, value_dim] float32, after the last token
};
/// mixed [rows, seq, channels]: queries, keys and values side by side; decay (g ≤ 0) and write (β)
/// [rows, seq, value_heads]. `state`: what the rows go on from; undefined: nothing. Differentiable
/// piece by piece, which keeps every piece.
DeltaPass delta_pass(const torch::Tensor& mixed, const torch::Tensor& decay,
                     const torch::Tensor& write, const DeltaSizes& sizes,
                     const torch::Tensor& state = {});
/// delta_pass().out of rows from their beginning. Keeps what it is given, and makes the rest again
/// in its backward: the pieces are some thirty times as large.
torch::Tensor delta_rule(const torch::Tensor& mixed, const torch::Tensor& decay,
                         const torch::Tensor& write, const DeltaSizes& sizes);

}  // namespace luthier
