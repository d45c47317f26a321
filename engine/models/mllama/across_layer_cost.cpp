// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer that looks across to pictures keeps for its backward, as across_layer.cpp computes
// it. The pictures' states themselves stand once for all such layers (DecoderEntry).
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/models/mllama/across_layer.h"
#include "engine/nn/module_cost.h"

namespace luthier {

bool AcrossAttentionImpl::keeps_states(const StepTerms& terms) const {
  return products_cost(terms, {k_proj_, v_proj_}, 1).input > 0;
}

AttentionBranchCost AcrossAttentionImpl::cost(const StepTerms& terms, const RowsShape& rows,
                                              std::int64_t tokens, bool flows) const {
  const std::int64_t keys = rows.across_keys, key = terms.block(keys * kv_heads_ * head_dim_);
  RowsShape shape;  // queries of one head of keys are tokens of their own
  shape.tokens = shape.own_tokens = tokens * (heads_ / kv_heads_);
  shape.keys = shape.own_keys = keys;
  shape.rows = rows.rows;
  shape.copied = true;  // what all runs of tokens come to is put together
  const ProductsCost query = products_cost(terms, {q_proj_}, tokens),
                     seen = products_cost(terms, {k_proj_, v_proj_}, keys),
                     back = products_cost(terms, {o_proj_}, tokens);
  const bool of_queries = flows || query.trains || terms.of(*q_norm_).trains,
             of_keys = rows.across_flows || seen.trains || terms.of(*k_norm_).trains;
  AttentionBranchCost cost;
  cost.core = attention_cost(terms, shape, kv_heads_, kv_heads_, head_dim_);
  cost.inside = of_queries || of_keys;
  cost.passes = cost.inside || back.trains;
  cost.kept = query.input + query.numbers + seen.numbers + back.numbers + back.input;
  cost.input = query.input;
  if (cost.inside) cost.kept += cost.core.kept;
  if (of_queries) cost.kept += norm_kept(terms, q_norm_, tokens * heads_);
  if (of_keys) cost.kept += norm_kept(terms, k_norm_, keys * kv_heads_);
  // Each run's share of the gradients of keys and values is spread out among those of all.
  if (of_keys) cost.core.work += 3 * key;
  const std::int64_t again = std::max({query.work, seen.work, back.work});
  if (again > 0)
    cost.core.work = std::max(cost.core.work, again + terms.block(tokens * heads_ * head_dim_));
  add_plug(cost, terms, *this, tokens);
  return cost;
}

LayerCost AcrossLayerImpl::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                                std::int64_t /*asked*/, bool flows) const {
  LayerCost cost;
  if (rows.across_keys == 0) return cost;  // it is passed by
  cost.share = trained_within(terms, *this);
  const std::int64_t width = input_layernorm_->weight.size(0), state = terms.block(tokens * width);
  const AttentionBranchCost attention = cross_attn_->cost(terms, rows, tokens, flows);
  const MlpCost mlp = mlp_->cost(terms, tokens, attention.passes);
  if (!flows && !cost.share.trains && !rows.across_flows) {
    cost.attention_work = attention.core.kept + attention.core.kept / 2 + 4 * state;
    cost.mlp_work = 3 * (mlp_->cost(terms, tokens, true).released / 2) + 6 * state;
    return cost;
  }
  const bool gates = terms.of(*this).trains;  // which then keep what they open
  const std::int64_t norm = norm_kept(terms, input_layernorm_, tokens),
                     norm_backward = norm_work(terms, input_layernorm_, tokens),
                     opened = gates ? state : 0;
  cost.attention = (flows ? norm : 0) + attention.kept + opened;
  cost.mlp = (attention.passes ? norm : 0) + mlp.kept + opened;
  // Beside the states' gradient stands that of what a gate let through, until the last product's
  // backward is done; what the gate kept is gone by then.
  const std::int64_t middle = mlp.inside ? std::max(mlp.work, norm_backward - mlp.released) : 0;
  cost.mlp_work = state + std::max(state + mlp.down_work, middle) - opened;
  cost.mlp_work = std::max(cost.mlp_work, (gates ? 3 : 2) * state);
  cost.attention_work = state + std::max({norm_backward, (gates ? 2 : 1) * state,
                                          attention.inside ? attention.core.work - opened : 0});
  return cost;
}

}  // namespace luthier
