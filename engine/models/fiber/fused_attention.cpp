// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/fiber/fused_attention.h"

#include <algorithm>

#include "engine/models/blocks/branches.h"
#include "engine/nn/module_cost.h"

namespace luthier::fiber {

using torch::Tensor;

FusedAttention::FusedAttention(const FusionSizes& sizes, const torch::TensorOptions& t)
    : heads_(sizes.heads) {
  const std::int64_t width = sizes.width;
  if (sizes.norm) norm_ = register_module("norm", LayerNorm(width, *sizes.norm, t));
  const auto both = neighbouring_linears(sizes.seen, {width, width}, sizes.bias, t);
  query_ = register_module("query", Linear(width, width, sizes.bias, t));
  key_ = register_module("key", both[0]);
  value_ = register_module("value", both[1]);
  dense_ = register_module("dense", Linear(width, width, true, t));
  add_parameter("alpha", alpha_, {1}, t);
}

Tensor FusedAttention::first_value(const std::string& name, const at::Generator& generator) const {
  if (name == "alpha") return torch::zeros({1}, torch::kFloat32);
  return ParameterModule::first_value(name, generator);
}

Tensor FusedAttention::forward(const Tensor& x, const RowLayout& rows,
                               const RowStates& seen) const {
  AttentionRule both_ways;
  both_ways.causal = false;
  const LayerFrame frame{rows, nullptr, &seen};
  return x + alpha_ * attend_memory(norm_ ? norm_->forward(x) : x, frame, query_, key_, value_,
                                    dense_, heads_, both_ways);
}

FusedAttention::Cost FusedAttention::cost(const StepTerms& terms, const RowsShape& shape,
                                          std::int64_t tokens, std::int64_t seen, bool flows,
                                          bool seen_flows) const {
  const std::int64_t width = query_->in_features(), state = terms.block(tokens * width);
  const bool asks = flows || (norm_ && terms.of(*norm_).trains), opens = terms.of(*this).trains;
  const AttentionCost core = attention_cost(terms, shape, heads_, heads_, width / heads_);
  const AttentionBranchCost branch = across_branch_cost(terms, query_, {key_, value_}, dense_, core,
                                                        tokens, seen, asks, seen_flows);
  Cost cost;
  cost.kept =
      branch.kept + (norm_ && asks ? norm_kept(terms, norm_, tokens) : 0) + (opens ? state : 0);
  // What the other side's products take stands there already, where a gradient goes on to it.
  if (!seen_flows && (terms.of(*key_).trains || terms.of(*value_).trains))
    cost.kept += terms.block(seen * key_->in_features());
  cost.work = 2 * state + branch.core.work + branch.core.scores;
  if (norm_) cost.work = std::max(cost.work, state + norm_work(terms, norm_, tokens));
  cost.passes = asks || branch.passes || opens;
  return cost;
}

}  // namespace luthier::fiber
