// SPDX-License-Identifier: GPL-3.0-or-later
// Scaled dot-product attention with grouped queries over rows of any lengths, and the key-value
// cache of decoding.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/nn/plugs.h"
#include "engine/nn/rows.h"

namespace luthier {

/// Keys and values of one batch of equally long rows, for all layers, allocated once.
class KeyValueCache {
 public:
  KeyValueCache(std::int64_t layers, std::int64_t capacity)
      : keys_(layers), values_(layers), capacity_(capacity) {}
  std::int64_t length() const { return length_; }
  /// Adds [batch, kv_heads, new, head_dim] at the end of layer's store and returns all of it so
  /// far. Call `advance(new)` once after the last layer.
  std::pair<torch::Tensor, torch::Tensor> append(std::int64_t layer, const torch::Tensor& key,
                                                 const torch::Tensor& value);
  void advance(std::int64_t count) { length_ += count; }
  /// Room for `count` more, before anything is stored: tokens that stand before the rows' own.
  void reserve(std::int64_t count) { capacity_ += count; }
  /// Keeps these rows of the batch (int64 [rows]), for when some sequences are done.
  void select(const torch::Tensor& rows);

  /// What a row's next position is ahead of its length (positions of pictures may be fewer than
  /// their tokens): [batch] int64, or undefined for 0.
  torch::Tensor position_offsets;

 private:
  std::vector<torch::Tensor> keys_, values_;
  std::int64_t capacity_, length_ = 0;
};

struct AttentionRule {
  bool causal = true;                  ///< query i of a row sees keys up to (keys − seq) + i
  std::optional<std::int64_t> window;  ///< and, where causal, no further back than this many
  double scale = 0;                    ///< of the products; 0: 1 / √head_dim
  double softcap = 0;                  ///< c·tanh(score / c) before the softmax (Gemma 2); 0: none
  bool window_in_blocks = false;  ///< the window bounds what tokens of one block see, too (Gemma 3)
};

/// Attention within each row. q [tokens, heads, head_dim], k and v [tokens, kv_heads, head_dim] →
/// [tokens, heads·head_dim]. `blocks` [tokens] int64 or undefined: tokens of one row with the same
/// number ≥ 0 see one another; a window does not hold them back unless the rule says so. With a
/// cache (rows of equal length only) the tokens continue what layer `layer` of it holds. `before`
/// stands in front of every row, as tokens that all of it may see; in a cache at its beginning.
torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                     const RowLayout& rows, const AttentionRule& rule,
                     const torch::Tensor& blocks = {}, KeyValueCache* cache = nullptr,
                     std::int64_t layer = 0, const KeysAndValues& before = {});

}  // namespace luthier
