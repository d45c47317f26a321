// SPDX-License-Identifier: GPL-3.0-or-later
// What hides keys from queries, for attention that must be told: numbers that are added to the
// scores, or the stretch of keys that each query sees.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/nn/attention.h"

namespace luthier {

/// Both, made once for all layers that have this rule over the rows (all of them: part −1, or a
/// group). With a cache the rows are not all there is, and nothing is kept. q [batch, heads, seq,
/// head_dim], whose last is a row's last key; `blocks` [batch, keys] or undefined.
struct Masks {
  const RowLayout* rows = nullptr;
  std::int64_t part = -1;

  /// 0 and −∞: [seq, keys], or [batch, 1, seq, keys] with blocks, of q's type.
  torch::Tensor of(const torch::Tensor& q, std::int64_t keys, const AttentionRule& rule,
                   const torch::Tensor& blocks) const;

  /// The first key that each query sees and the one behind the last, of as many queries as keys
  /// under a causal rule: [1 or batch, keys, 2] int32 on the CPU; of no elements where a block has
  /// others in between, which is no stretch.
  torch::Tensor stretches(const torch::Tensor& q, std::int64_t keys, const AttentionRule& rule,
                          const torch::Tensor& blocks) const;

  /// `bias` and, where the rule hides keys, the mask: [1 or batch, heads, seq, keys].
  torch::Tensor with(const ScoreBias& bias, const torch::Tensor& q, std::int64_t keys,
                     const AttentionRule& rule, const torch::Tensor& blocks, bool hides) const;

 private:
  std::vector<std::int64_t> key(const torch::Tensor& q, std::int64_t keys,
                                const AttentionRule& rule, const torch::Tensor& blocks) const;
};

}  // namespace luthier
