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

namespace luthier {

/// What a layer's branches see beside the states.
struct LayerFrame {
  const RowLayout& rows;  ///< of the states
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

/// Attention of each row's tokens to one another by four products.
inline torch::Tensor attend_within(const torch::Tensor& x, const LayerFrame& frame, Linear& query,
                                   Linear& key, Linear& value, Linear& out, std::int64_t heads,
                                   const AttentionRule& rule) {
  const auto split = [&](const torch::Tensor& y) { return y.view({y.size(0), heads, -1}); };
  return out(attend(split(query(x)), split(key(x)), split(value(x)), frame.rows, rule));
}

}  // namespace luthier
