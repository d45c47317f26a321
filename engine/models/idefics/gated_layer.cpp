// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/idefics/gated_layer.h"

#include <algorithm>
#include <optional>

#include "engine/models/cost.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

GatedAttentionImpl::GatedAttentionImpl(const DecoderOptions& o, const GateOptions& gates,
                                       std::int64_t layer, const torch::TensorOptions& tensors)
    : BranchPort(Kind::Attention, o.hidden_size),
      layer_(layer),
      heads_(o.num_attention_heads),
      head_dim_(o.head_dim) {
  const std::int64_t width = heads_ * head_dim_;
  q_proj_ = register_module("q_proj", Linear(o.hidden_size, width, /*bias=*/false, tensors));
  const auto made =
      neighbouring_linears(gates.state_width, {width, width}, /*bias=*/false, tensors);
  k_proj_ = register_module("k_proj", made[0]);
  v_proj_ = register_module("v_proj", made[1]);
  o_proj_ = register_module("o_proj", Linear(width, o.hidden_size, /*bias=*/false, tensors));
  if (!gates.qk_norm) return;
  q_layer_norm_ = register_module("q_layer_norm", RmsNorm(head_dim_, o.rms_norm_eps, tensors));
  k_layer_norm_ = register_module("k_layer_norm", RmsNorm(head_dim_, o.rms_norm_eps, tensors));
}

/// → [tokens, heads, head_dim].
Tensor GatedAttentionImpl::queries(const Tensor& x) {
  const Tensor made = q_proj_(x).view({-1, heads_, head_dim_});
  return q_layer_norm_ ? q_layer_norm_->forward(made) : made;
}

Tensor GatedAttentionImpl::forward(const Tensor& x, const PictureSight& sight,
                                   KeyValueCache* cache) {
  const auto made = side_by_side(sight.states, {k_proj_.get(), v_proj_.get()}, 1);
  Tensor key = made[0].view({-1, heads_, head_dim_});
  if (k_layer_norm_) key = k_layer_norm_(key);
  const Tensor value = made[1].view({-1, heads_, head_dim_});
  const Tensor mixed = attend_across(
      queries(x), sight.run_rows,
      [&]() -> KeysAndValues {
        return {key, value};
      },
      sight.seen_rows, AttentionRule{});
  if (cache && !sight.runs.empty()) {
    const std::int64_t states = sight.runs.front().seen;  // of any picture
    std::vector<std::int64_t> pictures;
    for (const std::int64_t last : sight.last_runs)
      pictures.push_back(std::max<std::int64_t>(last, 0));
    const Tensor chosen = torch::tensor(pictures, torch::kInt64).to(key.device());
    const auto of_rows = [&](const Tensor& all) {
      return all.view({-1, states, heads_, head_dim_}).index_select(0, chosen).transpose(1, 2);
    };
    (void)cache->across(layer_, [&] { return std::pair(of_rows(key), of_rows(value)); });
    const bool none = std::any_of(sight.last_runs.begin(), sight.last_runs.end(),
                                  [](std::int64_t last) { return last < 0; });
    if (none && !cache->across_mask.defined()) {
      constexpr float kFarBelow = -3e4F;  // what float16 holds
      std::vector<float> shown;
      for (const std::int64_t last : sight.last_runs) shown.push_back(last < 0 ? kFarBelow : 0);
      cache->across_mask = torch::tensor(shown)
                               .to(x.scalar_type())
                               .to(x.device())
                               .view({-1, 1, 1, 1})
                               .expand({-1, 1, 1, states});
    }
  }
  return o_proj_(mixed);
}

Tensor GatedAttentionImpl::go_on(const Tensor& x, KeyValueCache& cache) {
  const auto [key, value] = cache.across(layer_, []() -> std::pair<Tensor, Tensor> { return {}; });
  const Tensor query = queries(x).view({key.size(0), -1, heads_, head_dim_}).transpose(1, 2);
  const Tensor mixed = at::scaled_dot_product_attention(query, key, value);
  return o_proj_(mixed.transpose(1, 2).reshape({-1, heads_ * head_dim_}));
}

bool GatedAttentionImpl::keeps_states(const StepTerms& terms) const {
  return products_cost(terms, {k_proj_, v_proj_}, 1).input > 0;
}

AttentionBranchCost GatedAttentionImpl::cost(const StepTerms& terms, const RowsShape& rows,
                                             std::int64_t tokens, bool flows) const {
  const std::int64_t keys = rows.across_keys, key = terms.block(keys * heads_ * head_dim_);
  RowsShape shape;
  shape.tokens = shape.own_tokens = tokens;
  shape.keys = shape.own_keys = keys;
  shape.rows = rows.rows;
  shape.copied = true;  // runs of tokens are put in order
  const ProductsCost query = products_cost(terms, {q_proj_}, tokens),
                     seen = products_cost(terms, {k_proj_, v_proj_}, keys),
                     back = products_cost(terms, {o_proj_}, tokens);
  const bool of_queries =
                 flows || query.trains || (q_layer_norm_ && terms.of(*q_layer_norm_).trains),
             of_keys = rows.across_flows || seen.trains ||
                       (k_layer_norm_ && terms.of(*k_layer_norm_).trains);
  AttentionBranchCost cost;
  cost.core = attention_cost(terms, shape, heads_, heads_, head_dim_);
  cost.inside = of_queries || of_keys;
  cost.passes = cost.inside || back.trains;
  cost.kept = query.input + query.numbers + seen.numbers + back.numbers + back.input;
  cost.input = query.input;
  if (cost.inside) cost.kept += cost.core.kept;
  if (of_queries && q_layer_norm_) cost.kept += norm_kept(terms, q_layer_norm_, tokens * heads_);
  if (of_keys && k_layer_norm_) cost.kept += norm_kept(terms, k_layer_norm_, keys * heads_);
  if (of_keys) cost.core.work += 2 * key;
  const std::int64_t again = std::max({query.work, seen.work, back.work});
  if (again > 0)
    cost.core.work = std::max(cost.core.work, again + terms.block(tokens * heads_ * head_dim_));
  add_plug(cost, terms, *this, tokens);
  return cost;
}

GatedLayerImpl::GatedLayerImpl(const DecoderOptions& o, const GateOptions& gates,
                               std::int64_t layer, const torch::TensorOptions& tensors)
    : layer_(layer), gates_(gates) {
  const std::vector<std::int64_t> shape = gates.by_feature
                                              ? std::vector<std::int64_t>{1, 1, o.hidden_size}
                                              : std::vector<std::int64_t>{1};
  add_parameter("alpha_cross_attn", alpha_cross_attn_, shape, tensors);
  add_parameter("alpha_dense", alpha_dense_, shape, tensors);
  cross_attn_ = register_module("cross_attn", GatedAttention(o, gates, layer, tensors));
  mlp_ = std::make_shared<GatedMlpImpl>(o.hidden_size, o.intermediate_size, /*bias=*/false,
                                        o.hidden_act, tensors);
  register_module("mlp", mlp_);
  const auto norm = [&](const char* name) {
    return register_module(name, RmsNorm(o.hidden_size, o.rms_norm_eps, tensors));
  };
  input_layernorm_ = norm("input_layernorm");
  post_attention_layernorm_ = norm("post_attention_layernorm");
}

Tensor GatedLayerImpl::first_value(const std::string&, const at::Generator& generator) const {
  const Tensor like = torch::empty(alpha_dense_.sizes(), torch::kFloat32);
  if (gates_.start == GateOptions::Start::Drawn) return like.normal_(0, gates_.range, generator);
  return like.fill_(gates_.start == GateOptions::Start::Ones ? 1 : 0);
}

/// Of all tokens, what those that see a picture get of it added.
Tensor GatedLayerImpl::attended(const Tensor& x, const TokenSequence& sequence,
                                KeyValueCache* cache) {
  const Tensor open = at::tanh(alpha_cross_attn_).view({-1});
  if (const PictureSight* sight = sequence.sight.get()) {
    if (sight->runs.empty()) return x;
    const Tensor own = sight->tokens.defined() ? x.index_select(0, sight->tokens) : x;
    const Tensor mixed = cross_attn_->forward(input_layernorm_(own), *sight, cache);
    const Tensor added = open * cross_attn_->joined(mixed, own);
    return sight->tokens.defined() ? x.index_add(0, sight->tokens, added) : x + added;
  }
  if (!cache || !cache->looks_across(layer_)) return x;
  Tensor added = open * cross_attn_->joined(cross_attn_->go_on(input_layernorm_(x), *cache), x);
  if (cache->across_mask.defined()) {
    const Tensor sees = (cache->across_mask.amax(-1) == 0).view({-1, 1});
    added = added * sees.repeat_interleave(x.size(0) / sees.size(0), 0).to(added.scalar_type());
  }
  return x + added;
}

Tensor GatedLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                               KeyValueCache* cache) {
  const Tensor x = attended(all, sequence, cache);
  const Tensor fed = mlp_->joined(mlp_->forward(post_attention_layernorm_(x), nullptr), x);
  return x + at::tanh(alpha_dense_).view({-1}) * fed;
}

LayerCost GatedLayerImpl::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                               bool flows) const {
  LayerCost cost;
  cost.share = trained_within(terms, *this);
  const std::int64_t width = input_layernorm_->weight.size(0), state = terms.block(tokens * width);
  const bool sees = rows.across_keys > 0;
  AttentionBranchCost attention;
  if (sees) attention = cross_attn_->cost(terms, rows, tokens, flows);
  const bool passes = flows || (sees && attention.passes);
  const MlpCost mlp = mlp_->cost(terms, tokens, passes);
  if (!flows && !cost.share.trains && !(sees && rows.across_flows)) {
    cost.attention_work = attention.core.kept + attention.core.kept / 2 + 4 * state;
    cost.mlp_work = 3 * (mlp_->cost(terms, tokens, true).released / 2) + 6 * state;
    return cost;
  }
  const bool gates = terms.of(*this).trains;  // which then keep what they open
  const std::int64_t norm = norm_kept(terms, input_layernorm_, tokens),
                     norm_backward = norm_work(terms, input_layernorm_, tokens),
                     opened = gates ? state : 0;
  if (sees) cost.attention = (flows ? norm : 0) + attention.kept + opened;
  cost.mlp = (passes ? norm : 0) + mlp.kept + opened;
  cost.mlp_work = state + std::max(state + mlp.down_work,
                                   mlp.inside ? std::max(mlp.work, norm_backward - mlp.released)
                                              : std::int64_t{0});
  if (sees)
    cost.attention_work =
        state + std::max({norm_backward, 2 * state, attention.inside ? attention.core.work : 0});
  return cost;
}

Tensor IdeficsLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                                 const RotaryTable& rotary, KeyValueCache* cache) {
  const Tensor x = gated_ ? gated_->forward(all, sequence, cache) : all;
  return DecoderLayerImpl::forward(x, sequence, rotary, cache);
}

LayerCost IdeficsLayerImpl::cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                                 std::int64_t asked, bool flows) const {
  if (!gated_) return DecoderLayerImpl::cost(terms, rows, tokens, asked, flows);
  const LayerCost gated = gated_->cost(terms, rows, tokens, flows);
  const bool within = flows || gated.share.trains || (rows.across_keys > 0 && rows.across_flows);
  LayerCost cost = DecoderLayerImpl::cost(terms, rows, tokens, asked, within);
  // Backwards the gated halves come last, when what the layer kept is gone.
  cost.attention_work = std::max(cost.attention_work,
                                 std::max(gated.attention_work, gated.mlp_work) - cost.attention);
  cost.attention += gated.kept();
  cost.share += gated.share;
  return cost;
}

Status read_idefics_layers(const Json& config, const std::string& where, DecoderOptions& o) {
  if (o.hidden_size % o.num_attention_heads != 0)
    return input_error("hidden_size (" + std::to_string(o.hidden_size) +
                           ") is not a multiple of num_attention_heads (" +
                           std::to_string(o.num_attention_heads) + ").",
                       where + ": num_attention_heads");
  o.num_key_value_heads = o.num_attention_heads;  // whatever the file says
  LUTHIER_TRY(const double dropout, json_number(config, "dropout", where, 0.0));
  if (dropout != 0)
    return input_error("Dropout within layers is not built here: 0 is expected.",
                       where + ": dropout");
  // None looks across in the place of its own row, but pictures are looked across to.
  o.across.assign(static_cast<std::size_t>(o.num_hidden_layers), false);
  return {};
}

}  // namespace luthier
