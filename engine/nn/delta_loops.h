// SPDX-License-Identifier: GPL-3.0-or-later
// All that a mixer by the gated delta rule does between its products, in float32 on processors with
// AVX-512: the short causal convolution and SiLU, keys and queries of length 1, decays and shares,
// the rule (nn/delta_chunks.h), the norm of what it gives, and the gate. One row and one key head
// with its value heads at a time, so that nothing between input and result is ever whole. No
// LibTorch.
#pragma once

#include <cstdint>

namespace luthier::delta {

struct MixerSizes {
  std::int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  std::int64_t kernel = 0;  ///< of the convolution: a token's own number and those before it
  float epsilon = 0;        ///< of the norm

  std::int64_t each() const { return value_heads / key_heads; }
  std::int64_t keys() const { return key_heads * key_dim; }
  std::int64_t values() const { return value_heads * value_dim; }
  std::int64_t channels() const { return 2 * keys() + values(); }
};

/// Rows of numbers: number i of row r stands at start[r · step + i].
struct TokenRows {
  const float* start = nullptr;
  std::int64_t step = 0;
};
struct TokenRowsToWrite {
  float* start = nullptr;
  std::int64_t step = 0;
};

/// What products made of the tokens, row after row, and the mixer's own tensors.
struct MixerGiven {
  TokenRows mixed;                ///< [tokens, channels]: queries, keys, values
  TokenRows gate;                 ///< [tokens, values]
  TokenRows write, decay;         ///< [tokens, value_heads]: before the sigmoid, the softplus
  const float* taps = nullptr;    ///< [channels, kernel]
  const float* rate = nullptr;    ///< [value_heads]: A_log
  const float* bias = nullptr;    ///< [value_heads]: of the decays
  const float* weight = nullptr;  ///< [value_dim]: of the norm
};
struct MixerGradients {
  TokenRowsToWrite mixed, gate, write, decay;
  // Of one row; null: not asked for.
  float* taps = nullptr;                   ///< [channels, kernel]
  float *rate = nullptr, *bias = nullptr;  ///< [value_heads]
  float* weight = nullptr;                 ///< [key_heads, value_dim]
};

/// One row's tokens and one key head.
struct MixerPlace {
  std::int64_t first = 0, length = 0, head = 0;
};

/// Bytes of `scratch` that either wants for a row so long; it begins at a multiple of 64.
std::int64_t mixer_scratch(const MixerSizes& sizes, std::int64_t length);
std::int64_t mixer_back_scratch(const MixerSizes& sizes, std::int64_t length);

/// Writes the head's part of `result` [tokens, values].
void mix(const MixerSizes& sizes, const MixerGiven& given, const MixerPlace& place,
         const TokenRowsToWrite& result, void* scratch);
/// Writes the head's part of all gradients, from `gradient` [tokens, values].
void mix_back(const MixerSizes& sizes, const MixerGiven& given, const MixerPlace& place,
              const TokenRows& gradient, const MixerGradients& made, void* scratch);

}  // namespace luthier::delta
