// SPDX-License-Identifier: GPL-3.0-or-later
// What Gemma 4's layers keep for their backward, as layer.cpp and attention.cpp compute them.
#include <algorithm>

#include "engine/models/cost.h"
#include "engine/models/gemma4/layer.h"
#include "engine/nn/module_cost.h"

namespace luthier {

AttentionBranchCost Gemma4AttentionImpl::cost(const StepTerms& terms, const RowsShape& given,
                                              std::int64_t tokens, std::int64_t asked,
                                              bool flows) const {
  RowsShape rows = given;
  rows.blocks = given.blocks && sees_blocks_;
  const Scores scores = rows.blocks ? Scores::Stretched : Scores::Fused;
  AttentionCost core = attention_cost(terms, rows, heads_, kv_heads_, head_dim_, scores);
  std::int64_t norms = norm_kept(terms, q_norm_, tokens * heads_);
  AttentionBranchCost cost;
  if (source_ != layer_) {
    // Keys and values are the other layer's own, but where attention wants copies of them.
    const bool copied = (kv_heads_ > 1 && kv_heads_ < heads_) || rows.copied;
    if (!copied) core.kept -= 2 * terms.block(rows.keys * kv_heads_ * head_dim_);
    cost = attention_branch_cost(terms, {q_proj_}, o_proj_, core, norms, tokens, flows,
                                 asked < tokens ? asked : 0);
  } else {
    norms += norm_kept(terms, k_norm_, tokens * kv_heads_) + terms.floats(tokens * kv_heads_);
    if (v_proj_) {  // the norm of values keeps them, or the keys that are there
      norms += terms.block(tokens * kv_heads_ * head_dim_);
      cost = attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_}, o_proj_, core, norms, tokens,
                                   flows, asked < tokens ? asked : 0);
    } else {
      cost = attention_branch_cost(terms, {q_proj_, k_proj_}, o_proj_, core, norms, tokens, flows,
                                   asked < tokens ? asked : 0);
    }
  }
  add_plug(cost, terms, *this, asked);
  return cost;
}

MlpCost Gemma4LayerImpl::fed_cost(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  MlpCost cost = mlp_->cost(terms, tokens, flows);
  if (!experts_) return cost;
  const std::int64_t state = terms.block(tokens * hidden_size());
  const ProductsCost routed = products_cost(terms, {router_->product()}, tokens);
  const std::int64_t read = terms.of(*experts_).trains ? state : 0;
  const MlpCost mixed =
      mixture_cost(terms, *experts_, each_, routed, read + routed.input, tokens, flows);
  // Both results wait in their norms. The states that the experts and the router read are kept by
  // the norm before the MLP, so that theirs add a number a row.
  cost.kept += mixed.kept + 2 * (state + terms.floats(tokens)) + 2 * terms.floats(tokens);
  cost.work = state + std::max(cost.work, mixed.work);
  cost.down_work = state + std::max(cost.down_work, mixed.down_work);
  cost.released += mixed.released;
  cost.inside = cost.inside || mixed.inside;
  return cost;
}

LayerCost Gemma4LayerImpl::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                                std::int64_t asked, bool flows) const {
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t state = terms.block(asked * hidden_size()),
                     all = terms.block(tokens * hidden_size());
  if (!flows && !cost.share.trains) {  // as a Llama's layer that no gradient reaches
    const AttentionCost core = self_attn_->cost(terms, rows, tokens, asked, true).core;
    const MlpCost mlp = fed_cost(terms, asked, true);
    cost.attention_work = core.kept + core.kept / 2 + 4 * all;
    cost.mlp_work = 3 * (mlp.released / 2) + 2 * all + 4 * state;
    return cost;
  }
  const AttentionBranchCost attention = self_attn_->cost(terms, rows, tokens, asked, flows);
  const MlpCost mlp = fed_cost(terms, asked, attention.passes);
  const std::int64_t norm = norm_kept(terms, input_layernorm_, asked),
                     norm_backward = norm_work(terms, input_layernorm_, asked),
                     first_backward = norm_work(terms, input_layernorm_, tokens);
  cost.attention = (flows ? norm_kept(terms, input_layernorm_, tokens) : 0) + attention.kept +
                   (attention.passes ? norm : 0);
  cost.mlp = (attention.passes ? norm : 0) + mlp.kept + norm;
  cost.mlp_work =
      state + (mlp.inside ? std::max(mlp.work, norm_backward - mlp.released) : mlp.down_work);
  if (per_layer_input_gate_) {
    const std::int64_t narrow = terms.block(asked * per_layer_input_gate_->out_features());
    const ProductsCost gate = products_cost(terms, {per_layer_input_gate_}, asked),
                       back = products_cost(terms, {per_layer_projection_}, asked);
    // What opens, how far it has, and the norm behind both; the embeddings are the decoder's.
    cost.mlp += gate.input + gate.numbers + back.input + back.numbers + narrow + norm;
    if (asked < tokens) cost.mlp += narrow;
  }
  cost.attention_work = state + first_backward;
  if (attention.inside) {
    cost.attention_work =
        state + std::max(first_backward, attention.core.work) + attention.core.scores;
  }
  return cost;
}

std::int64_t gemma4_keys(const DecoderOptions& o, const StepTerms& terms, std::int64_t layer,
                         std::int64_t tokens) {
  const bool slides = o.sliding_windows[static_cast<std::size_t>(layer)].has_value();
  const std::int64_t width = slides ? o.num_key_value_heads * o.head_dim
                                    : o.gemma4->global_key_value_heads * o.gemma4->global_head_dim;
  return 2 * terms.block(tokens * width);
}

std::int64_t gemma4_waiting(const DecoderOptions& o, const StepTerms& terms, std::int64_t layer,
                            std::int64_t tokens, bool of_embeddings) {
  const Gemma4Options& g = *o.gemma4;
  std::int64_t bytes = 0;
  for (std::int64_t source = 0; source <= layer; ++source) {
    if (!g.is_seen(source)) continue;
    std::int64_t last = source;  // that sees it
    for (std::int64_t other = source; other < o.num_hidden_layers; ++other)
      if (g.sources[static_cast<std::size_t>(other)] == source) last = other;
    if (layer >= last) continue;
    bytes += gemma4_keys(o, terms, source, tokens);
  }
  if (of_embeddings)
    bytes += (o.num_hidden_layers - 1 - layer) * terms.block(tokens * g.per_layer_width);
  return bytes;
}

}  // namespace luthier
