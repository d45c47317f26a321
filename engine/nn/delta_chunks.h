// SPDX-License-Identifier: GPL-3.0-or-later
// The gated delta rule (nn/delta_rule.h) and its gradients in float32 on processors with AVX-512,
// one row's heads that share queries and keys at a time: chunk after chunk in the processor's
// cache. The order of all sums depends on the sizes alone. No LibTorch.
#pragma once

#include <cstdint>

namespace luthier::delta {

/// Tokens of a chunk. Half of what ATen's way takes (kDeltaChunk): what a chunk costs a token grows
/// with its length, and so does what a row's last one has too much.
constexpr std::int64_t kChunk = 32;

/// Of one row: value heads of one key head.
struct RuleSizes {
  std::int64_t length = 0, heads = 0, key_dim = 0, value_dim = 0;

  std::int64_t chunks() const { return (length + kChunk - 1) / kChunk; }
  std::int64_t padded() const { return chunks() * kChunk; }  ///< tokens
  std::int64_t state() const { return key_dim * value_dim; }
};
/// What the loops take of heads' sizes.
constexpr std::int64_t kMostSize = 1024;
constexpr bool takes_sizes(std::int64_t key_dim, std::int64_t value_dim) {
  return key_dim % 16 == 0 && value_dim % 16 == 0 && key_dim <= kMostSize && value_dim <= kMostSize;
}

/// All begin at multiples of 64 bytes and are padded() tokens long, zeros behind the last.
struct RuleRows {
  const float *query = nullptr, *key = nullptr;    ///< [tokens, key_dim], as the rule reads them
  const float* value = nullptr;                    ///< [heads, tokens, value_dim]
  const float *decay = nullptr, *write = nullptr;  ///< [heads, tokens]: g, β
};
/// What the backward needs besides.
struct RuleKept {
  float* states = nullptr;  ///< [heads, chunks, key_dim, value_dim]: before each chunk
  float* fresh = nullptr;   ///< [heads, tokens, value_dim]: what is written at each token's key
};
struct RuleGradients {
  float *query = nullptr, *key = nullptr;    ///< [tokens, key_dim]
  float *decay = nullptr, *write = nullptr;  ///< [heads, tokens]
};

/// Bytes of `scratch` that either wants; it begins at a multiple of 64.
std::int64_t rule_scratch(const RuleSizes& sizes);
std::int64_t rule_back_scratch(const RuleSizes& sizes);

/// Writes `out` [heads, tokens, value_dim], and `kept` where it has room.
void make_rule(const RuleSizes& sizes, const RuleRows& rows, float* out, const RuleKept& kept,
               void* scratch);
/// `gradient` [heads, tokens, value_dim], zeros behind the last token: of out; it becomes that of
/// the values. Writes `made`.
void make_rule_back(const RuleSizes& sizes, const RuleRows& rows, const RuleKept& kept,
                    float* gradient, const RuleGradients& made, void* scratch);

}  // namespace luthier::delta
