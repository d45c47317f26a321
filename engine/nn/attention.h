// SPDX-License-Identifier: GPL-3.0-or-later
// Scaled dot-product attention with grouped queries over rows of any lengths, within a row or
// across to the same row of other states.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "engine/nn/key_value_cache.h"
#include "engine/nn/plugs.h"
#include "engine/nn/rows.h"

namespace luthier {

struct AttentionRule {
  bool causal = true;                  ///< query i of a row sees keys up to (keys − seq) + i
  std::optional<std::int64_t> window;  ///< and, where causal, no further back than this many
  double scale = 0;                    ///< of the products; 0: 1 / √head_dim
  double softcap = 0;                  ///< c·tanh(score / c) before the softmax (Gemma 2); 0: none
  bool window_in_blocks = false;  ///< the window bounds what tokens of one block see, too (Gemma 3)
};

/// Numbers that are added to the scores before the softmax, by head and by the places of query and
/// key in their row (T5's relative bias, Raffel et al. 2020). They are made once for rows of one
/// length and kept as long as this object: one pass through a stack of layers, or, where a layer is
/// made again in the backward, one layer.
class ScoreBias {
 public:
  /// → [heads, queries, keys] for queries at the places first, first + 1, … and keys from place 0.
  using Make =
      std::function<torch::Tensor(std::int64_t first, std::int64_t queries, std::int64_t keys)>;
  /// `learns`: the numbers get a gradient, at whatever time they are asked for.
  ScoreBias(Make make, bool learns) : make_(std::move(make)), learns_(learns) {}

  bool learns() const { return learns_; }
  torch::Tensor of(std::int64_t first, std::int64_t queries, std::int64_t keys) const {
    return make_(first, queries, keys);
  }
  /// What `make` gives under `key`, made once.
  torch::Tensor once(const std::vector<std::int64_t>& key,
                     const std::function<torch::Tensor()>& make) const;

 private:
  Make make_;
  bool learns_;
  mutable std::map<std::vector<std::int64_t>, torch::Tensor> made_;
};

/// Attention within each row. q [tokens, heads, head_dim], k and v [tokens, kv_heads, head_dim] →
/// [tokens, heads·head_dim]. `blocks` [tokens] int64 or undefined: tokens of one row with the same
/// number ≥ 0 see one another; a window does not hold them back unless the rule says so. With a
/// cache (rows of equal length only) the tokens continue what layer `layer` of it holds; one that
/// stands, or whose rows have several lengths, takes a token of each row. `before`
/// stands in front of every row, as tokens that all of it may see; in a cache at its beginning.
/// Undefined k and v, with a cache: `layer` has been given these tokens' already, by another one.
/// `bias` counts places from the first key, and has no part in a rule with a softcap. Rows that fork
/// have neither; a fork's tokens are in no block.
torch::Tensor attend(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                     const RowLayout& rows, const AttentionRule& rule,
                     const torch::Tensor& blocks = {}, KeyValueCache* cache = nullptr,
                     std::int64_t layer = 0, const KeysAndValues& before = {},
                     const ScoreBias* bias = nullptr);

/// Whether attend() keeps queries, keys and values themselves for its backward, and no copies: such
/// as rows put in order, keys repeated for their queries' heads or put behind others. `like`: of
/// their type and device. Without a cache.
bool keeps_as_given(const torch::Tensor& like, std::int64_t heads, std::int64_t kv_heads,
                    std::int64_t head_dim, const RowLayout& rows, const AttentionRule& rule,
                    const torch::Tensor& blocks, bool before);

/// Attention of each row's tokens to all tokens of the same row of `memory`. q [tokens, heads,
/// head_dim] → [tokens, heads·head_dim]; `seen` gives keys and values [memory tokens, kv_heads,
/// head_dim]. Of the rule, scale and softcap count. With a cache (rows of equal length, of which
/// the memory's are, too) `seen` is asked for a layer's first tokens alone.
torch::Tensor attend_across(const torch::Tensor& q, const RowLayout& rows,
                            const std::function<KeysAndValues()>& seen, const RowLayout& memory,
                            const AttentionRule& rule, KeyValueCache* cache = nullptr,
                            std::int64_t layer = 0);

/// What attend_across would ask the host for where rows are of different lengths: set aside under
/// `name`, so that it goes to the device with other things, and taken back into `rows` from
/// wherever it is now.
void set_across_aside(const RowLayout& rows, const RowLayout& memory, NamedTensorMap& aside,
                      const std::string& name);
void take_across_back(const RowLayout& rows, const RowLayout& memory, const NamedTensorMap& aside,
                      const std::string& name);

}  // namespace luthier
