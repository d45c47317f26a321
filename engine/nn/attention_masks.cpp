// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/attention_masks.h"

#include <algorithm>
#include <limits>
#include <set>

namespace luthier {

namespace {

using torch::Tensor;

/// What RowLayout::once is asked for by another name than a mask's.
constexpr std::int64_t kStretches = -4;

/// Where a query may look: [seq, keys], or [batch, 1, seq, keys] with `blocks` [batch, keys].
Tensor allowed_keys(std::int64_t seq, std::int64_t keys, const AttentionRule& rule,
                    const Tensor& blocks, torch::Device device) {
  const auto options = torch::TensorOptions().dtype(torch::kInt64).device(device);
  const Tensor query = torch::arange(keys - seq, keys, options).unsqueeze(1),
               key = torch::arange(keys, options).unsqueeze(0);
  Tensor allowed =
      rule.causal ? key <= query : torch::ones({seq, keys}, options.dtype(torch::kBool));
  const Tensor near = rule.causal && rule.window ? key > query - *rule.window : Tensor();
  if (near.defined()) allowed = allowed.logical_and(near);
  if (!blocks.defined()) return allowed;
  const Tensor of_query = blocks.slice(1, keys - seq).unsqueeze(2), of_key = blocks.unsqueeze(1);
  Tensor together = (of_query == of_key).logical_and(of_query >= 0);
  if (near.defined() && rule.window_in_blocks) together = together.logical_and(near);
  return allowed.unsqueeze(0).logical_or(together).unsqueeze(1);
}

/// See Masks::stretches.
Tensor stretches_of_keys(std::int64_t keys, const AttentionRule& rule, const Tensor& blocks) {
  const std::int64_t rows = blocks.defined() ? blocks.size(0) : 1;
  const Tensor made = torch::empty({rows, keys, 2}, torch::kInt32);
  auto stretch = made.accessor<std::int32_t, 3>();
  const auto nearest = [&rule](std::int64_t query) {
    return rule.window ? std::max<std::int64_t>(0, query - *rule.window + 1) : 0;
  };
  const auto see = [&](std::int64_t row, std::int64_t query, std::int64_t first, std::int64_t end) {
    stretch[row][query][0] = static_cast<std::int32_t>(first);
    stretch[row][query][1] = static_cast<std::int32_t>(end);
  };
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t query = 0; query < keys; ++query) see(row, query, nearest(query), query + 1);
  if (!blocks.defined()) return made;
  const Tensor numbers = blocks.contiguous();
  const auto number = numbers.accessor<std::int64_t, 2>();
  for (std::int64_t row = 0; row < rows; ++row) {
    std::set<std::int64_t> met;
    for (std::int64_t begin = 0, end = 0; begin < keys; begin = end) {
      const std::int64_t block = number[row][begin];
      for (end = begin + 1; end < keys && number[row][end] == block; ++end) continue;
      if (block < 0) continue;
      if (!met.insert(block).second) return torch::empty({0}, torch::kInt32);
      for (std::int64_t query = begin; query < end; ++query) {
        const std::int64_t near = nearest(query);
        see(row, query, rule.window_in_blocks ? near : std::min(begin, near), end);
      }
    }
  }
  return made;
}

}  // namespace

Tensor Masks::of(const Tensor& q, std::int64_t keys, const AttentionRule& rule,
                 const Tensor& blocks) const {
  const auto make = [&] {
    const Tensor allowed = allowed_keys(q.size(2), keys, rule, blocks, q.device());
    return torch::zeros(allowed.sizes(), q.options().requires_grad(false))
        .masked_fill_(allowed.logical_not(), -std::numeric_limits<double>::infinity());
  };
  return rows ? rows->once(key(q, keys, rule, blocks), make) : make();
}

Tensor Masks::stretches(const Tensor& q, std::int64_t keys, const AttentionRule& rule,
                        const Tensor& blocks) const {
  const auto make = [&] { return stretches_of_keys(keys, rule, blocks); };
  if (!rows) return make();
  std::vector<std::int64_t> name = key(q, keys, rule, blocks);
  name.insert(name.begin(), kStretches);
  return rows->once(name, make);
}

Tensor Masks::with(const ScoreBias& bias, const Tensor& q, std::int64_t keys,
                   const AttentionRule& rule, const Tensor& blocks, bool hides) const {
  const auto make = [&] {
    const std::int64_t seq = q.size(2);
    const Tensor added =
        bias.of(keys - seq, seq, keys).to(q.options().requires_grad(false)).unsqueeze(0);
    return hides ? added + of(q, keys, rule, blocks) : added;
  };
  std::vector<std::int64_t> name = key(q, keys, rule, blocks);
  // Rows of one length have one bias, whichever of them are in the group.
  if (!blocks.defined()) name.front() = 0;
  return bias.once(name, make);
}

std::vector<std::int64_t> Masks::key(const Tensor& q, std::int64_t keys, const AttentionRule& rule,
                                     const Tensor& blocks) const {
  const bool near = rule.causal && rule.window &&
                    keys > *rule.window;  // a window that holds all keys changes nothing
  return {part,
          q.size(2),
          keys,
          rule.causal,
          near ? *rule.window : -1,
          near && rule.window_in_blocks,
          blocks.defined(),
          static_cast<std::int64_t>(q.scalar_type())};
}

}  // namespace luthier
