// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/fuyu/persimmon_layer.h"

#include <algorithm>

#include "engine/models/cost.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

PersimmonAttentionImpl::PersimmonAttentionImpl(const DecoderOptions& o, std::int64_t layer,
                                               const torch::TensorOptions& tensors)
    : AttentionPort(o.num_attention_heads, o.head_dim),
      TokenMixer(o.hidden_size),
      layer_(layer),
      heads_(o.num_attention_heads),
      head_dim_(o.head_dim) {
  const std::int64_t width = heads_ * head_dim_;
  query_key_value_ =
      register_module("query_key_value", Linear(o.hidden_size, 3 * width, /*bias=*/true, tensors));
  dense_ = register_module("dense", Linear(width, o.hidden_size, /*bias=*/true, tensors));
  if (!o.qk_norm) return;
  q_layernorm_ = register_module("q_layernorm", LayerNorm(head_dim_, o.rms_norm_eps, tensors));
  k_layernorm_ = register_module("k_layernorm", LayerNorm(head_dim_, o.rms_norm_eps, tensors));
}

Tensor PersimmonAttentionImpl::forward(const Tensor& x, const TokenSequence& sequence,
                                       const RotaryTable& rotary, KeyValueCache* cache) {
  const bool begins = !cache || cache->length() == 0;
  const KeysAndValues first = begins ? before() : KeysAndValues();
  const auto made = query_key_value_(x).view({-1, heads_, 3, head_dim_}).unbind(2);
  const auto normed = [](const Tensor& heads, const LayerNorm& norm) {
    const Tensor own = heads.contiguous();
    return norm ? norm->forward(own) : own;
  };
  const Tensor query = rotate(normed(made[0], q_layernorm_), rotary),
               key = rotate(normed(made[1], k_layernorm_), rotary);
  const Tensor mixed = attend(query, key, made[2].contiguous(), sequence.rows, AttentionRule{},
                              sequence.blocks, cache, layer_, first);
  return dense_(own_rows(mixed, sequence));
}

AttentionBranchCost PersimmonAttentionImpl::cost(const StepTerms& terms, const RowsShape& rows,
                                                 std::int64_t tokens, std::int64_t asked,
                                                 bool flows) const {
  const std::int64_t before = terms.keys_before;
  const AttentionCost core =
      attention_cost(terms, behind_keys(rows, before), heads_, heads_, head_dim_,
                     rows.blocks ? Scores::Stretched : Scores::Fused);
  const std::int64_t norms = q_layernorm_ ? norm_kept(terms, q_layernorm_, tokens * heads_) +
                                                norm_kept(terms, k_layernorm_, tokens * heads_)
                                          : 0;
  AttentionBranchCost cost =
      attention_branch_cost(terms, {query_key_value_}, dense_, core, norms, tokens,
                            flows || before > 0, asked < tokens ? asked : 0);
  add_plug(cost, terms, *this, asked);
  return cost;
}

PersimmonMlpImpl::PersimmonMlpImpl(const DecoderOptions& o, const torch::TensorOptions& tensors)
    : FeedForward(o.hidden_size), activation_(o.hidden_act) {
  dense_h_to_4h_ = register_module(
      "dense_h_to_4h", Linear(o.hidden_size, o.intermediate_size, /*bias=*/true, tensors));
  dense_4h_to_h_ = register_module(
      "dense_4h_to_h", Linear(o.intermediate_size, o.hidden_size, /*bias=*/true, tensors));
}

Tensor PersimmonMlpImpl::forward(const Tensor& x, RouterNotes*) {
  const Tensor wide = dense_h_to_4h_(x);
  return dense_4h_to_h_(activation_ == Activation::Relu2 ? at::square(at::relu(wide))
                                                         : activate(wide, activation_));
}

MlpCost PersimmonMlpImpl::cost(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  // What relu gives is all that it and the square keep, as of others what they are given.
  MlpCost cost = mlp_cost(terms, {dense_h_to_4h_}, dense_4h_to_h_, tokens, flows);
  // The square's gradient is made of a product with what it squared.
  if (cost.inside && activation_ == Activation::Relu2)
    cost.work += terms.block(tokens * dense_h_to_4h_->out_features());
  add_plug(cost, terms, *this, tokens);
  return cost;
}

PersimmonLayerImpl::PersimmonLayerImpl(const DecoderOptions& o, std::int64_t layer,
                                       const torch::TensorOptions& tensors) {
  self_attn_ = register_module("self_attn", PersimmonAttention(o, layer, tensors));
  mlp_ = register_module("mlp", PersimmonMlp(o, tensors));
  const auto norm = [&](const char* name) {
    return register_module(name, LayerNorm(o.hidden_size, o.rms_norm_eps, tensors));
  };
  input_layernorm_ = norm("input_layernorm");
  post_attention_layernorm_ = norm("post_attention_layernorm");
}

Tensor PersimmonLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                                   const RotaryTable& rotary, KeyValueCache* cache) {
  const Tensor x = own_rows(all, sequence);
  const Tensor mixed = self_attn_->forward(input_layernorm_(all), sequence, rotary, cache);
  const Tensor attended = x + self_attn_->joined(mixed, x);
  return attended +
         mlp_->joined(mlp_->forward(post_attention_layernorm_(attended), nullptr), attended);
}

LayerCost PersimmonLayerImpl::cost(const StepTerms& terms, const RowsShape& rows,
                                   std::int64_t tokens, std::int64_t asked, bool flows) const {
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t width = input_layernorm_->weight.size(0), all = terms.block(tokens * width),
                     state = terms.block(asked * width);
  if (!flows && !cost.share.trains && terms.keys_before == 0) {
    const AttentionCost core = self_attn_->cost(terms, rows, tokens, asked, true).core;
    cost.attention_work = core.kept + core.kept / 2 + 4 * all;
    cost.mlp_work = 3 * (mlp_->cost(terms, asked, true).released / 2) + 2 * all + 4 * state;
    return cost;
  }
  const AttentionBranchCost attention = self_attn_->cost(terms, rows, tokens, asked, flows);
  const MlpCost mlp = mlp_->cost(terms, asked, attention.passes);
  const bool first = flows || terms.of(*input_layernorm_).trains;
  cost.attention = (first ? norm_kept(terms, input_layernorm_, tokens) : 0) + attention.kept;
  cost.mlp = (attention.passes ? norm_kept(terms, post_attention_layernorm_, asked) : 0) + mlp.kept;
  const std::int64_t norm_backward = norm_work(terms, post_attention_layernorm_, asked);
  cost.mlp_work =
      state + (mlp.inside ? std::max(mlp.work, norm_backward - mlp.released) : mlp.down_work);
  const std::int64_t first_backward = norm_work(terms, input_layernorm_, tokens);
  cost.attention_work = state + first_backward;
  if (attention.inside)
    cost.attention_work =
        state + std::max(first_backward, attention.core.work) + attention.core.scores;
  return cost;
}

Status read_persimmon(const Json& config, const std::string& where, DecoderOptions& o) {
  if (o.hidden_size % o.num_attention_heads != 0)
    return input_error("hidden_size (" + std::to_string(o.hidden_size) +
                           ") is not a multiple of num_attention_heads (" +
                           std::to_string(o.num_attention_heads) + ").",
                       where + ": num_attention_heads");
  o.num_key_value_heads = o.num_attention_heads;  // whatever the file says
  LUTHIER_TRY(const std::string act, json_string(config, "hidden_act", where, "relu2"));
  LUTHIER_TRY(o.hidden_act, parse_activation(act, where + ": hidden_act"));
  for (const char* key : {"hidden_dropout", "attention_dropout"}) {
    LUTHIER_TRY(const double dropout, json_number(config, key, where, 0.0));
    if (dropout != 0)
      return input_error("Dropout within layers is not built here: 0 is expected.",
                         where + ": " + key);
  }
  LUTHIER_TRY(o.qk_norm, json_bool(config, "qk_layernorm", where, true));
  o.qkv_bias = o.o_bias = o.mlp_bias = true;
  return {};
}

}  // namespace luthier
