// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/layer.h"
#include "engine/nn/heads.h"
#include "engine/nn/rms_norm.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

Gemma4AttentionImpl::Gemma4AttentionImpl(const DecoderOptions& o, std::int64_t layer,
                                         const torch::TensorOptions& tensors)
    : TokenMixer(o.hidden_size),
      layer_(layer),
      source_(o.gemma4->sources.at(static_cast<std::size_t>(layer))),
      heads_(o.num_attention_heads),
      kv_heads_(o.num_key_value_heads),
      head_dim_(o.head_dim),
      epsilon_(o.rms_norm_eps),
      seen_(o.gemma4->is_seen(layer)),
      sees_blocks_(
          o.gemma4->sees_blocks(o.sliding_windows.at(static_cast<std::size_t>(layer)).has_value())),
      rule_{true, o.sliding_windows.at(static_cast<std::size_t>(layer)), o.attention_scale, 0,
            o.window_in_blocks} {
  const bool slides = rule_.window.has_value();
  if (!slides) kv_heads_ = o.gemma4->global_key_value_heads, head_dim_ = o.gemma4->global_head_dim;
  const std::int64_t width = heads_ * head_dim_, narrow = kv_heads_ * head_dim_;
  // queries, and of a layer with keys of its own these, and values where they are not the keys
  std::vector<std::int64_t> out(3, narrow);
  out.front() = width;
  if (o.gemma4->shares(layer))
    out.resize(1);
  else if (!slides && o.gemma4->keys_are_values)
    out.resize(2);
  const auto linears = neighbouring_linears(o.hidden_size, out, o.qkv_bias, tensors);
  const auto norm = [&](const char* name) {
    return register_module(
        name, RmsNorm(head_dim_, o.rms_norm_eps, tensors, /*centred=*/false, /*once=*/true));
  };
  q_proj_ = register_module("q_proj", linears[0]);
  q_norm_ = norm("q_norm");
  if (out.size() > 1) {
    k_norm_ = norm("k_norm");
    k_proj_ = register_module("k_proj", linears[1]);
  }
  if (out.size() > 2) v_proj_ = register_module("v_proj", linears[2]);
  o_proj_ = register_module("o_proj", Linear(width, o.hidden_size, o.o_bias, tensors));
}

KeysAndValues Gemma4AttentionImpl::made(const Tensor& x, const RotaryTable& rotary, Tensor& query) {
  std::vector<const LinearImpl*> linears{q_proj_.get(), k_proj_.get()};
  if (v_proj_) linears.push_back(v_proj_.get());
  const std::vector<Tensor> products = side_by_side(x, linears);
  const auto heads = [&](std::size_t i) { return products[i].view({-1, kv_heads_, head_dim_}); };
  const Tensor key = heads(1), value = unweighted_rms_norm(v_proj_ ? heads(2) : key, epsilon_);
  const auto turned =
      normed_and_turned(products[0].view({-1, heads_, head_dim_}), key, q_norm_, k_norm_, rotary);
  query = turned.first;
  return {turned.second, value};
}

Tensor Gemma4AttentionImpl::forward(const Tensor& x, const TokenSequence& sequence,
                                    const RotaryTable& rotary, KeyValueCache* cache) {
  Tensor query;
  KeysAndValues seen;  // of a layer that has none of its own a cache knows them
  if (source_ == layer_) {
    seen = made(x, rotary, query);
    if (seen_ && !cache) (*sequence.seen)[layer_] = seen;
  } else {
    query = rotate(q_norm_(q_proj_(x).view({-1, heads_, head_dim_})), rotary);
    if (!cache) seen = sequence.seen->at(source_);
  }
  const Tensor all = attend(query, seen.keys, seen.values, sequence.rows, rule_,
                            sees_blocks_ ? sequence.blocks : Tensor(), cache, source_);
  return o_proj_(own_rows(all, sequence));
}

}  // namespace luthier
