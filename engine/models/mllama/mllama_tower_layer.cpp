// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mllama/mllama_tower_layer.h"

#include <algorithm>

#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

MllamaFrames::MllamaFrames(const std::vector<std::int64_t>& shown, std::int64_t all)
    : whole_(std::vector<std::int64_t>{all}) {
  for (const std::int64_t own : shown) {
    for (const std::int64_t part : {own, all - own}) {
      sizes_.push_back(part);
      parts_.emplace_back(std::vector<std::int64_t>{part});
    }
    wholes_.push_back(all);
  }
}

Tensor MllamaFrames::attend(const Tensor& q, const Tensor& k, const Tensor& v) const {
  const auto queries = q.split_with_sizes(sizes_), keys = k.split_with_sizes(wholes_),
             values = v.split_with_sizes(wholes_);
  const AttentionRule rule{false, {}, 0, 0};
  std::vector<Tensor> mixed;
  for (std::size_t i = 0; i < wholes_.size(); ++i) {
    const RowLayout &shown = parts_[2 * i], &filler = parts_[2 * i + 1];
    const auto all = [&]() -> KeysAndValues { return {keys[i], values[i]}; };
    const auto some = [&]() -> KeysAndValues {
      return {keys[i].slice(0, 0, shown.tokens()), values[i].slice(0, 0, shown.tokens())};
    };
    mixed.push_back(attend_across(queries[2 * i], shown, all, whole_, rule));
    if (filler.tokens() > 0)
      mixed.push_back(attend_across(queries[2 * i + 1], filler, some, shown, rule));
  }
  return at::cat(mixed);
}

MllamaTowerAttention::MllamaTowerAttention(const VisionSizes& o, const torch::TensorOptions& t)
    : BranchPort(Kind::Attention, o.hidden_size), heads_(o.num_attention_heads) {
  const std::int64_t width = o.hidden_size;
  const auto made = neighbouring_linears(width, {width, width, width}, /*bias=*/false, t);
  q_proj_ = register_module("q_proj", made[0]);
  k_proj_ = register_module("k_proj", made[1]);
  v_proj_ = register_module("v_proj", made[2]);
  o_proj_ = register_module("o_proj", Linear(width, width, /*bias=*/false, t));
}

Tensor MllamaTowerAttention::forward(const Tensor& x, const MllamaFrames& frames) {
  const auto made = side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()});
  const auto split = [&](const Tensor& y) { return y.view({y.size(0), heads_, -1}); };
  return o_proj_(frames.attend(split(made[0]), split(made[1]), split(made[2])));
}

AttentionBranchCost MllamaTowerAttention::cost(const StepTerms& given, std::int64_t tokens,
                                               std::int64_t pictures, bool flows) const {
  StepTerms terms = given;
  terms.frames = std::max<std::int64_t>(1, pictures);
  RowsShape rows = unmoved_rows(terms, tokens);
  rows.copied = true;  // both parts' mixtures are put together
  const AttentionCost core =
      attention_cost(terms, rows, heads_, heads_, q_proj_->out_features() / heads_);
  AttentionBranchCost cost =
      attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_}, o_proj_, core, 0, tokens, flows);
  add_plug(cost, terms, *this, tokens);
  return cost;
}

MllamaTowerLayer::MllamaTowerLayer(const VisionSizes& o, bool gated,
                                   const torch::TensorOptions& t) {
  if (gated) {
    add_parameter("gate_attn", gate_attn_, {1}, t);
    add_parameter("gate_ffn", gate_ffn_, {1}, t);
  }
  self_attn_ = register_module("self_attn", std::make_shared<MllamaTowerAttention>(o, t));
  mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
  input_layernorm_ =
      register_module("input_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  post_attention_layernorm_ =
      register_module("post_attention_layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
}

Tensor MllamaTowerLayer::forward(const Tensor& x, const MllamaFrames& frames) {
  const auto opened = [](const Tensor& gate, const Tensor& made) {
    return gate.defined() ? at::tanh(gate) * made : made;
  };
  const Tensor mixed = self_attn_->joined(self_attn_->forward(input_layernorm_(x), frames), x);
  const Tensor attended = x + opened(gate_attn_, mixed);
  const Tensor fed = mlp_->joined(mlp_->forward(post_attention_layernorm_(attended)), attended);
  return attended + opened(gate_ffn_, fed);
}

LayerCost MllamaTowerLayer::cost(const StepTerms& terms, std::int64_t tokens, std::int64_t pictures,
                                 bool flows) const {
  TowerLayerParts parts;
  parts.share = trained_within(terms, *this);
  parts.flows = flows;
  parts.state = terms.block(tokens * input_layernorm_->weight.size(0));
  parts.norm_before = norm_kept(terms, input_layernorm_, tokens);
  parts.norm_after = norm_kept(terms, post_attention_layernorm_, tokens);
  parts.attention = self_attn_->cost(terms, tokens, pictures, flows);
  parts.mlp = mlp_->cost(terms, tokens, parts.attention.passes);
  // A gate that learns keeps what it opens.
  const bool opens = gate_attn_.defined();
  if (opens && terms.of(*this).trains)
    parts.scales = parts.state, parts.attention.kept += parts.state;
  LayerCost cost = tower_layer_cost(parts);
  if (!opens || (!parts.flows && !parts.share.trains)) return cost;
  // And what it lets through is another gradient.
  cost.attention_work += parts.state, cost.mlp_work += parts.state;
  return cost;
}

}  // namespace luthier
