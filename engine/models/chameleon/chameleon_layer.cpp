// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/chameleon/chameleon_layer.h"

#include <algorithm>

#include "engine/models/cost.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr double kOwnHeadEpsilon = 1e-5;  // whatever the file says

}  // namespace

OwnHeadNormImpl::OwnHeadNormImpl(std::int64_t heads, std::int64_t size,
                                 const torch::TensorOptions& t) {
  add_parameter("weight", weight_, {heads, size}, t);
  add_parameter("bias", bias_, {heads, size}, t);
}

Tensor OwnHeadNormImpl::forward(const Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, {}, {}, kOwnHeadEpsilon) * weight_ + bias_;
}

std::int64_t OwnHeadNormImpl::kept(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  const std::int64_t numbers = terms.block(tokens * weight_.numel()),
                     rows = 2 * terms.floats(tokens * weight_.size(0));
  return (flows ? numbers + rows : 0) + (terms.of(*this).trains ? numbers : 0);
}

ChameleonAttentionImpl::ChameleonAttentionImpl(const DecoderOptions& o, std::int64_t layer,
                                               const torch::TensorOptions& tensors)
    : AttentionPort(o.num_key_value_heads, o.head_dim),
      TokenMixer(o.hidden_size),
      layer_(layer),
      heads_(o.num_attention_heads),
      kv_heads_(o.num_key_value_heads),
      head_dim_(o.head_dim) {
  const std::int64_t width = heads_ * head_dim_, narrow = kv_heads_ * head_dim_;
  const auto made =
      neighbouring_linears(o.hidden_size, {width, narrow, narrow}, o.qkv_bias, tensors);
  q_proj_ = register_module("q_proj", made[0]);
  k_proj_ = register_module("k_proj", made[1]);
  v_proj_ = register_module("v_proj", made[2]);
  o_proj_ = register_module("o_proj", Linear(width, o.hidden_size, o.o_bias, tensors));
  q_norm_ = register_module("q_norm", OwnHeadNorm(heads_, head_dim_, tensors));
  k_norm_ = register_module("k_norm", OwnHeadNorm(kv_heads_, head_dim_, tensors));
}

Tensor ChameleonAttentionImpl::forward(const Tensor& x, const TokenSequence& sequence,
                                       const RotaryTable& rotary, KeyValueCache* cache) {
  const bool begins = !cache || cache->length() == 0;
  const KeysAndValues first = begins ? before() : KeysAndValues();
  const auto made = side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()}, 2);
  const auto normed = [&](const Tensor& y, std::int64_t heads, const OwnHeadNorm& norm) {
    return rotate(norm->forward(y.reshape({-1, heads, head_dim_}).contiguous()), rotary);
  };
  const Tensor query = normed(made[0], heads_, q_norm_), key = normed(made[1], kv_heads_, k_norm_),
               value = made[2].view({-1, kv_heads_, head_dim_});
  const Tensor mixed = attend(query, key, value, sequence.rows, AttentionRule{}, sequence.blocks,
                              cache, layer_, first);
  return o_proj_(own_rows(mixed, sequence));
}

AttentionBranchCost ChameleonAttentionImpl::cost(const StepTerms& terms, const RowsShape& rows,
                                                 std::int64_t tokens, std::int64_t asked,
                                                 bool flows) const {
  const std::int64_t before = terms.keys_before;
  const AttentionCost core =
      attention_cost(terms, behind_keys(rows, before), heads_, kv_heads_, head_dim_,
                     rows.blocks ? Scores::Stretched : Scores::Fused);
  const std::int64_t norms =
      q_norm_->kept(terms, tokens, true) + k_norm_->kept(terms, tokens, true);
  AttentionBranchCost cost =
      attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_}, o_proj_, core, norms, tokens,
                            flows || before > 0, asked < tokens ? asked : 0);
  add_plug(cost, terms, *this, asked);
  return cost;
}

ChameleonLayerImpl::ChameleonLayerImpl(const DecoderOptions& o, std::int64_t layer,
                                       const torch::TensorOptions& tensors)
    : behind_(o.norms_by_place) {
  self_attn_ = register_module("self_attn", ChameleonAttention(o, layer, tensors));
  mlp_ = std::make_shared<GatedMlpImpl>(o.hidden_size, o.intermediate_size, o.mlp_bias,
                                        o.hidden_act, tensors);
  register_module("mlp", mlp_);
  const auto norm = [&](const char* name) {
    return register_module(name, RmsNorm(o.hidden_size, o.rms_norm_eps, tensors));
  };
  input_layernorm_ = norm("input_layernorm");
  post_attention_layernorm_ = norm("post_attention_layernorm");
}

Tensor ChameleonLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                                   const RotaryTable& rotary, KeyValueCache* cache) {
  const Tensor x = own_rows(all, sequence);
  if (behind_) {
    const Tensor mixed = input_layernorm_(self_attn_->forward(all, sequence, rotary, cache)),
                 attended = x + self_attn_->joined(mixed, x);
    const Tensor fed = post_attention_layernorm_(mlp_->forward(attended, nullptr));
    return attended + mlp_->joined(fed, attended);
  }
  const Tensor mixed = self_attn_->forward(input_layernorm_(all), sequence, rotary, cache);
  const auto [attended, normal] =
      post_attention_layernorm_->after_sum(x, self_attn_->joined(mixed, x));
  return attended + mlp_->joined(mlp_->forward(normal, nullptr), attended);
}

LayerCost ChameleonLayerImpl::cost(const StepTerms& terms, const RowsShape& rows,
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
  const bool first = terms.of(*input_layernorm_).trains;
  const bool between = behind_ ? attention.passes || flows || first : attention.passes;
  const MlpCost mlp = mlp_->cost(terms, asked, between);
  const std::int64_t norm = norm_kept(terms, input_layernorm_, asked),
                     norm_backward = norm_work(terms, input_layernorm_, asked);
  if (behind_) {
    cost.attention = attention.kept + (attention.passes || first ? norm : 0);
    cost.mlp = mlp.kept + norm;
    cost.mlp_work = state + std::max({norm_backward, mlp.down_work, mlp.inside ? mlp.work : 0});
  } else {
    cost.attention = (flows ? norm_kept(terms, input_layernorm_, tokens) : 0) + attention.kept;
    cost.mlp = (attention.passes ? norm : 0) + mlp.kept;
    cost.mlp_work =
        state + (mlp.inside ? std::max(mlp.work, norm_backward - mlp.released) : mlp.down_work);
  }
  const std::int64_t first_backward = norm_work(terms, input_layernorm_, tokens);
  cost.attention_work = state + first_backward;
  if (attention.inside)
    cost.attention_work =
        state + std::max(first_backward, attention.core.work) + attention.core.scores;
  return cost;
}

Status read_chameleon_layers(const Json& config, const std::string& where, DecoderOptions& o) {
  if (o.hidden_size % o.num_attention_heads != 0)
    return input_error("hidden_size (" + std::to_string(o.hidden_size) +
                           ") is not a multiple of num_attention_heads (" +
                           std::to_string(o.num_attention_heads) + ").",
                       where + ": num_attention_heads");
  LUTHIER_TRY(const double dropout, json_number(config, "attention_dropout", where, 0.0));
  if (dropout != 0)
    return input_error("Dropout within layers is not built here: 0 is expected.",
                       where + ": attention_dropout");
  LUTHIER_TRY(o.norms_by_place, json_bool(config, "swin_norm", where, false));
  return {};
}

}  // namespace luthier
