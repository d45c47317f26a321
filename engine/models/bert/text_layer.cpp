// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bert/text_layer.h"

#include <algorithm>

#include "engine/models/bert/named_parts.h"
#include "engine/models/blocks/relu_cost.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

TextLayer::TextLayer(const TextLayerSizes& sizes, const TextLayerNames& names,
                     const torch::TensorOptions& t)
    : heads_(sizes.heads), activation_(sizes.activation) {
  const std::int64_t width = sizes.hidden;
  const auto norm = [&](const char* name) {
    return register_at(*this, name, LayerNorm(width, sizes.layer_norm_eps, t));
  };
  const auto made = neighbouring_linears(width, {width, width, width}, true, t);
  query_ = register_at(*this, names.query, made[0]);
  key_ = register_at(*this, names.key, made[1]);
  value_ = register_at(*this, names.value, made[2]);
  mixed_ = register_at(*this, names.mixed, Linear(width, width, true, t));
  mixed_norm_ = norm(names.mixed_norm);
  wide_ = register_at(*this, names.wide, Linear(width, sizes.intermediate, true, t));
  narrow_ = register_at(*this, names.narrow, Linear(sizes.intermediate, width, true, t));
  narrow_norm_ = norm(names.narrow_norm);
  branches_ = {{Branch::Norm::After, [this](const Tensor& x) { return mixed_norm_(x); },
                [this](const Tensor& x, const LayerFrame& frame) { return attention(x, frame); }},
               {Branch::Norm::After, [this](const Tensor& x) { return narrow_norm_(x); },
                [this](const Tensor& x, const LayerFrame&) {
                  return narrow_(activate(wide_(x), activation_));
                }}};
}

Tensor TextLayer::attention(const Tensor& x, const LayerFrame& frame) const {
  AttentionRule both_ways;
  both_ways.causal = false;
  return attend_within(x, frame, query_, key_, value_, mixed_, heads_, both_ways);
}

AttentionCost TextLayer::core_cost(const StepTerms& terms, const RowsShape& rows) const {
  return attention_cost(terms, rows, heads_, heads_, query_->out_features() / heads_);
}

/// A branch's norm keeps the sum that comes after it.
LayerCost TextLayer::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                          bool flows, bool joined, bool last_norm) const {
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t state = terms.block(tokens * query_->in_features());
  const AttentionCost core = core_cost(terms, rows);
  if (!flows && !joined && !cost.share.trains) {
    // Nothing is kept; what its forward needs stands where its backward would.
    cost.attention_work = core.kept + core.kept / 2 + 4 * state;
    cost.mlp_work = 2 * terms.block(tokens * wide_->out_features()) + 4 * state;
    return cost;
  }
  const AttentionBranchCost attention =
      attention_branch_cost(terms, {query_, key_, value_}, mixed_, core, 0, tokens, flows);
  const bool normed = attention.passes || joined || terms.of(*mixed_norm_).trains;
  MlpCost mlp = mlp_cost(terms, {wide_}, narrow_, tokens, normed);
  if (activation_ == Activation::Relu) {
    // What a relu keeps stands until its gradient is made beside that of what it gave.
    keep_once(mlp, terms, narrow_, tokens);
    mlp.work = std::max(mlp.work, 2 * terms.block(tokens * narrow_->in_features()));
  }
  cost.attention = attention.kept + (normed ? norm_kept(terms, mixed_norm_, tokens) : 0);
  cost.mlp = mlp.kept + (last_norm ? norm_kept(terms, narrow_norm_, tokens) : 0);
  cost.mlp_work = state + mlp.work;
  cost.attention_work = state + attention.core.work + attention.core.scores;
  return cost;
}

}  // namespace luthier
