// SPDX-License-Identifier: GPL-3.0-or-later
// A transformer's layer as a list of residual branches. Where the norm stands and what a branch
// computes are the family's to say, and so are the names under which its modules are registered;
// how branches follow one another is the same for all.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "engine/nn/attention.h"
#include "engine/nn/linear.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

/// What a layer's branches see beside the states.
struct LayerFrame {
  const RowLayout& rows;              ///< of the states
  const ScoreBias* bias = nullptr;    ///< on the scores within a row
  const RowStates* memory = nullptr;  ///< what a row looks across to
  KeyValueCache* cache = nullptr;     ///< the rows go on from what it holds
  std::int64_t layer = 0;             ///< which of the cache's this one is
};

struct Branch {
  enum class Norm { Before, After };

  Norm place = Norm::Before;
  std::function<torch::Tensor(const torch::Tensor& x)> norm;
  std::function<torch::Tensor(const torch::Tensor& x, const LayerFrame& frame)> body;

  /// x + body(norm(x)), or norm(x + body(x)): [tokens, hidden] → the same.
  torch::Tensor forward(const torch::Tensor& x, const LayerFrame& frame) const {
    return place == Norm::Before ? x + body(norm(x), frame) : norm(x + body(x, frame));
  }
};

using Branches = std::vector<Branch>;

inline torch::Tensor run_branches(const Branches& branches, torch::Tensor x,
                                  const LayerFrame& frame) {
  for (const Branch& branch : branches) x = branch.forward(x, frame);
  return x;
}

/// Attention of each row's tokens to one another by four products. In decoding to those before
/// them, too.
inline torch::Tensor attend_within(const torch::Tensor& x, const LayerFrame& frame,
                                   const Linear& query, const Linear& key, const Linear& value,
                                   const Linear& out, std::int64_t heads,
                                   const AttentionRule& rule) {
  const auto split = [&](const torch::Tensor& y) { return y.view({y.size(0), heads, -1}); };
  const auto made = side_by_side(x, {query.get(), key.get(), value.get()});
  return out->forward(attend(split(made[0]), split(made[1]), split(made[2]), frame.rows, rule, {},
                             frame.cache, frame.layer, {}, frame.bias));
}

/// Attention of each row's tokens to its row of the frame's memory. In decoding the memory's keys
/// and values are made at the first token.
inline torch::Tensor attend_memory(const torch::Tensor& x, const LayerFrame& frame,
                                   const Linear& query, const Linear& key, const Linear& value,
                                   const Linear& out, std::int64_t heads,
                                   const AttentionRule& rule) {
  const auto split = [&](const torch::Tensor& y) { return y.view({y.size(0), heads, -1}); };
  const torch::Tensor& states = frame.memory->states;
  const auto seen = [&]() -> KeysAndValues {
    const auto made = side_by_side(states, {key.get(), value.get()});
    return {split(made[0]), split(made[1])};
  };
  return out->forward(attend_across(split(query->forward(x)), frame.rows, seen, frame.memory->rows,
                                    rule, frame.cache, frame.layer));
}

}  // namespace luthier
