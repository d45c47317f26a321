// SPDX-License-Identifier: GPL-3.0-or-later
// What DaViT keeps for its backward, as davit_tower.cpp computes it. A convolution keeps its input
// whatever trains in it.
#include <algorithm>

#include "engine/models/florence2/davit_tower.h"
#include "engine/nn/module_cost.h"

namespace luthier::florence2 {

AttentionBranchCost WindowAttention::cost(const StepTerms& terms, std::int64_t frames,
                                          std::int64_t rows, std::int64_t columns,
                                          bool flows) const {
  const std::int64_t area = window_ * window_,
                     windows = frames * (padded(rows) / window_) * (padded(columns) / window_),
                     places = windows * area, width = proj_->in_features();
  RowsShape shape;
  shape.tokens = shape.keys = shape.own_tokens = shape.own_keys = places;
  shape.squares = places * area;
  shape.rows = windows, shape.longest = area;
  shape.groups = {{windows, area}};
  const AttentionCost core = attention_cost(terms, shape, heads_, heads_, width / heads_);
  AttentionBranchCost cost = attention_branch_cost(terms, {qkv_}, proj_, core, 0, places, flows);
  add_plug(cost, terms, *this, frames * rows * columns);
  return cost;
}

std::int64_t WindowAttention::turned(const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                                     std::int64_t columns) const {
  return terms.block(frames * padded(rows) * padded(columns) * proj_->in_features());
}

AttentionBranchCost ChannelAttention::cost(const StepTerms& terms, std::int64_t frames,
                                           std::int64_t rows, std::int64_t columns,
                                           bool flows) const {
  const std::int64_t places = frames * rows * columns, width = proj_->in_features();
  AttentionCost core;
  // Queries, keys and values in an order of their own, the mixture, and a number a channel.
  core.kept = 4 * terms.block(places * width) + terms.floats(frames * width);
  core.work = 4 * terms.block(places * width);
  AttentionBranchCost cost = attention_branch_cost(terms, {qkv_}, proj_, core, 0, places, flows);
  add_plug(cost, terms, *this, places);
  return cost;
}

std::int64_t ChannelAttention::turned(const StepTerms& terms, std::int64_t frames,
                                      std::int64_t rows, std::int64_t columns) const {
  return 2 * terms.block(frames * rows * columns * proj_->in_features());
}

void DavitHalf::add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t frames,
                         std::int64_t rows, std::int64_t columns) const {
  const std::int64_t places = frames * rows * columns,
                     state = terms.block(places * norm1_->weight.size(0));
  const TrainedShare first = terms.of(*conv1_), second = terms.of(*conv2_),
                     inner = trained_within(terms, *attention_);
  LayerCost half;
  half.share = trained_within(terms, *this);
  if (cost.flows || half.share.trains) {
    const bool seen = cost.flows || first.trains;
    const bool normed = seen || terms.of(*norm1_).trains;
    const AttentionBranchCost attention = attention_->cost(terms, frames, rows, columns, normed);
    const bool looked = seen || normed || inner.trains, conv = looked || second.trains;
    const bool wide_normed = conv || terms.of(*norm2_).trains;
    const MlpCost mlp = ffn_->cost(terms, places, wide_normed);
    half.attention =
        (seen ? state : 0) + (normed ? norm_kept(terms, norm1_, places) : 0) + attention.kept;
    half.mlp = (conv ? state : 0) + (wide_normed ? norm_kept(terms, norm2_, places) : 0) + mlp.kept;
    half.mlp_work = state + std::max(mlp.work, 2 * state);
    half.attention_work =
        state + attention.core.work + attention_->turned(terms, frames, rows, columns);
  }
  cost.add_layer(terms, half);
}

}  // namespace luthier::florence2
