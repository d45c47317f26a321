// SPDX-License-Identifier: GPL-3.0-or-later
// Queries that share a head of keys are laid one after another, as if each were a token of its own:
// nothing hides keys from one and shows them to another, and so keys are never repeated for them.
#include "engine/models/mllama/across_layer.h"

#include <algorithm>
#include <optional>

#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

AcrossAttentionImpl::AcrossAttentionImpl(const DecoderOptions& o, std::int64_t layer,
                                         const torch::TensorOptions& tensors)
    : BranchPort(Kind::Attention, o.hidden_size),
      layer_(layer),
      heads_(o.num_attention_heads),
      kv_heads_(o.num_key_value_heads),
      head_dim_(o.head_dim) {
  const std::int64_t width = heads_ * head_dim_, narrow = kv_heads_ * head_dim_;
  q_proj_ = register_module("q_proj", Linear(o.hidden_size, width, /*bias=*/false, tensors));
  const auto made = neighbouring_linears(o.hidden_size, {narrow, narrow}, /*bias=*/false, tensors);
  k_proj_ = register_module("k_proj", made[0]);
  v_proj_ = register_module("v_proj", made[1]);
  o_proj_ = register_module("o_proj", Linear(width, o.hidden_size, /*bias=*/false, tensors));
  q_norm_ = register_module("q_norm", RmsNorm(head_dim_, o.rms_norm_eps, tensors));
  k_norm_ = register_module("k_norm", RmsNorm(head_dim_, o.rms_norm_eps, tensors));
}

/// [tokens, hidden] → [tokens · queries of one head of keys, heads of keys, head_dim].
Tensor AcrossAttentionImpl::queries(const Tensor& x) {
  const Tensor made = q_norm_(q_proj_(x).view({-1, heads_, head_dim_}));
  return made.view({-1, kv_heads_, heads_ / kv_heads_, head_dim_})
      .transpose(1, 2)
      .reshape({-1, kv_heads_, head_dim_});
}

/// From what those come to: [as many, heads of keys · head_dim].
Tensor AcrossAttentionImpl::out(const Tensor& mixed) {
  return o_proj_(mixed.view({-1, heads_ / kv_heads_, kv_heads_, head_dim_})
                     .transpose(1, 2)
                     .reshape({-1, heads_ * head_dim_}));
}

namespace {

/// What each row's last token saw of `states` [states, heads, size], and zeros behind it: [rows,
/// heads, most, size].
Tensor last_seen(const Tensor& states, const PictureSight& sight, std::int64_t most) {
  std::vector<Tensor> rows;
  for (const std::int64_t last : sight.last_runs) {
    const PictureSight::Run run =
        last < 0 ? PictureSight::Run() : sight.runs[static_cast<std::size_t>(last)];
    rows.push_back(at::constant_pad_nd(states.slice(0, run.first, run.first + run.seen),
                                       {0, 0, 0, 0, 0, most - run.seen}));
  }
  return at::stack(rows).transpose(1, 2);
}

/// [rows, 1, 1, most]; undefined where all rows see as many.
Tensor unseen_mask(const PictureSight& sight, std::int64_t most, const Tensor& like) {
  std::vector<std::int64_t> counts;
  for (const std::int64_t last : sight.last_runs)
    counts.push_back(last < 0 ? 0 : sight.runs[static_cast<std::size_t>(last)].seen);
  if (std::all_of(counts.begin(), counts.end(), [most](auto count) { return count == most; }))
    return {};
  const Tensor places = torch::arange(most, torch::kInt64),
               unseen = places.unsqueeze(0) >= torch::tensor(counts, torch::kInt64).unsqueeze(1);
  constexpr double kFarBelow = -3e4;  // what float16 holds, and whose share is 0
  return torch::zeros({static_cast<std::int64_t>(counts.size()), most})
      .masked_fill_(unseen, kFarBelow)
      .to(like.scalar_type())
      .to(like.device())
      .view({-1, 1, 1, most});
}

}  // namespace

Tensor AcrossAttentionImpl::forward(const Tensor& x, const PictureSight& sight,
                                    KeyValueCache* cache) {
  const auto made = side_by_side(sight.states, {k_proj_.get(), v_proj_.get()}, 1);
  const Tensor key = k_norm_(made[0].view({-1, kv_heads_, head_dim_})),
               value = made[1].view({-1, kv_heads_, head_dim_});
  const std::int64_t each = heads_ / kv_heads_;  // queries of a head of keys
  std::vector<std::int64_t> sizes;
  for (const PictureSight::Run& run : sight.runs) sizes.push_back(run.tokens * each);
  const auto parts = queries(x).split_with_sizes(sizes);
  std::vector<Tensor> mixed;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::int64_t first = sight.runs[i].first, end = first + sight.runs[i].seen;
    const auto seen = [&]() -> KeysAndValues {
      return {key.slice(0, first, end), value.slice(0, first, end)};
    };
    mixed.push_back(attend_across(parts[i], RowLayout({sizes[i]}), seen,
                                  RowLayout({sight.runs[i].seen}), AttentionRule{}));
  }
  if (cache) {
    std::int64_t most = 0;
    for (const std::int64_t last : sight.last_runs)
      if (last >= 0) most = std::max(most, sight.runs[static_cast<std::size_t>(last)].seen);
    (void)cache->across(layer_, [&] {
      return std::pair(last_seen(key, sight, most), last_seen(value, sight, most));
    });
    if (!cache->across_mask.defined()) cache->across_mask = unseen_mask(sight, most, x);
  }
  return out(at::cat(mixed));
}

Tensor AcrossAttentionImpl::go_on(const Tensor& x, KeyValueCache& cache) {
  const auto [key, value] = cache.across(layer_, []() -> std::pair<Tensor, Tensor> { return {}; });
  const std::int64_t rows = key.size(0);
  const Tensor query = queries(x).view({rows, -1, kv_heads_, head_dim_}).transpose(1, 2);
  const std::optional<Tensor> mask =
      cache.across_mask.defined() ? std::optional<Tensor>(cache.across_mask) : std::nullopt;
  const Tensor mixed = at::scaled_dot_product_attention(query, key, value, mask);
  return out(mixed.transpose(1, 2).reshape({-1, kv_heads_ * head_dim_}));
}

AcrossLayerImpl::AcrossLayerImpl(const DecoderOptions& o, std::int64_t layer,
                                 const torch::TensorOptions& tensors)
    : layer_(layer) {
  add_parameter("cross_attn_attn_gate", attn_gate_, {1}, tensors);
  add_parameter("cross_attn_mlp_gate", mlp_gate_, {1}, tensors);
  cross_attn_ = register_module("cross_attn", AcrossAttention(o, layer, tensors));
  input_layernorm_ =
      register_module("input_layernorm", RmsNorm(o.hidden_size, o.rms_norm_eps, tensors));
  mlp_ = std::make_shared<GatedMlpImpl>(o.hidden_size, o.intermediate_size, /*bias=*/false,
                                        o.hidden_act, tensors);
  register_module("mlp", mlp_);
  post_attention_layernorm_ =
      register_module("post_attention_layernorm", RmsNorm(o.hidden_size, o.rms_norm_eps, tensors));
}

Tensor AcrossLayerImpl::first_value(const std::string&, const at::Generator&) const {
  return torch::zeros({1}, torch::kFloat32);
}

Tensor AcrossLayerImpl::halves(const Tensor& x, const Tensor& mixed, const Tensor& opened) {
  const auto [attended, normal] =
      post_attention_layernorm_->after_sum(x, at::tanh(attn_gate_) * cross_attn_->joined(mixed, x));
  Tensor fed = mlp_->joined(mlp_->forward(normal, nullptr), attended);
  if (opened.defined()) fed = opened.to(fed.scalar_type()) * fed;
  return attended + at::tanh(mlp_gate_) * fed;
}

Tensor AcrossLayerImpl::forward(const Tensor& all, const TokenSequence& sequence,
                                const RotaryTable&, KeyValueCache* cache) {
  if (const PictureSight* sight = sequence.sight.get()) {
    const Tensor x = sight->tokens.defined() ? all.index_select(0, sight->tokens) : all;
    const Tensor made =
        halves(x, cross_attn_->forward(input_layernorm_(x), *sight, cache), sight->opened);
    return sight->tokens.defined() ? all.index_copy(0, sight->tokens, made) : made;
  }
  if (!cache || !cache->looks_across(layer_)) return all;
  const Tensor made = halves(all, cross_attn_->go_on(input_layernorm_(all), *cache), {});
  if (!cache->across_mask.defined()) return made;
  // A row that sees nothing has no pictures.
  const Tensor sees = (cache->across_mask.amax(-1) == 0).view({-1, 1});
  return at::where(sees.repeat_interleave(all.size(0) / sees.size(0), 0), made, all);
}

}  // namespace luthier
