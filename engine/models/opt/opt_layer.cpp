// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/opt/opt_layer.h"

#include <algorithm>

#include "engine/models/blocks/relu_cost.h"
#include "engine/models/cost.h"
#include "engine/models/opt/opt_options.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

OptLayerImpl::OptLayerImpl(const DecoderOptions& o, std::int64_t layer,
                           const torch::TensorOptions& t)
    : BranchPort(Kind::FeedForward, o.hidden_size), activation_(o.hidden_act) {
  DecoderOptions attention = o;
  attention.lfm2_names = true;  // the last product is out_proj
  self_attn_ = register_module("self_attn", SelfAttention(attention, layer, t));
  self_attn_layer_norm_ =
      register_module("self_attn_layer_norm", LayerNorm(o.hidden_size, kOptNormEpsilon, t));
  fc1_ = register_module("fc1", Linear(o.hidden_size, o.intermediate_size, o.mlp_bias, t));
  fc2_ = register_module("fc2", Linear(o.intermediate_size, o.hidden_size, o.mlp_bias, t));
  final_layer_norm_ =
      register_module("final_layer_norm", LayerNorm(o.hidden_size, kOptNormEpsilon, t));
}

Tensor OptLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                             const RotaryTable& rotary, KeyValueCache* cache) {
  const Tensor x = own_rows(all, sequence);
  const Tensor mixed = self_attn_->forward(self_attn_layer_norm_(all), sequence, rotary, cache);
  const Tensor attended = x + self_attn_->joined(mixed, x);
  const Tensor fed = fc2_(activate(fc1_(final_layer_norm_(attended)), activation_));
  return attended + joined(fed, attended);
}

LayerCost OptLayerImpl::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                             std::int64_t asked, bool flows) const {
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t width = fc1_->in_features(), state = terms.block(asked * width),
                     whole = terms.block(tokens * width);
  const AttentionBranchCost attention = self_attn_->cost(terms, rows, tokens, asked, flows);
  if (!flows && !cost.share.trains && terms.keys_before == 0) {
    // Nothing is kept; what its forward needs stands where its backward would.
    const AttentionCost core = self_attn_->cost(terms, rows, tokens, asked, true).core;
    cost.attention_work = core.kept + core.kept / 2 + 4 * whole;
    cost.mlp_work = 2 * terms.block(asked * fc1_->out_features()) + 2 * whole + 2 * state;
    return cost;
  }
  MlpCost mlp = mlp_cost(terms, {fc1_}, fc2_, asked, attention.passes);
  if (activation_ == Activation::Relu) keep_once(mlp, terms, fc2_, asked);
  add_plug(mlp, terms, *this, asked);
  const std::int64_t norm_backward = norm_work(terms, final_layer_norm_, asked),
                     first_norm_backward = norm_work(terms, self_attn_layer_norm_, tokens);
  cost.attention = (flows ? norm_kept(terms, self_attn_layer_norm_, tokens) : 0) + attention.kept;
  cost.mlp = (attention.passes ? norm_kept(terms, final_layer_norm_, asked) : 0) + mlp.kept;
  cost.mlp_work =
      state + (mlp.inside ? std::max(mlp.work, norm_backward - mlp.released) : mlp.down_work);
  cost.attention_work = state + first_norm_backward;
  if (attention.inside)
    cost.attention_work =
        state + std::max(first_norm_backward, attention.core.work) + attention.core.scores;
  return cost;
}

}  // namespace luthier
