// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/siglip2/frame_layer.h"

#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

FrameAttention::FrameAttention(const VisionSizes& o, const torch::TensorOptions& t)
    : BranchPort(Kind::Attention, o.hidden_size),
      heads_(o.num_attention_heads),
      size_(o.hidden_size / o.num_attention_heads) {
  const std::int64_t across = o.hidden_size;
  const auto made = neighbouring_linears(across, {across, across, across}, true, t);
  k_proj_ = register_module("k_proj", made[1]);
  v_proj_ = register_module("v_proj", made[2]);
  q_proj_ = register_module("q_proj", made[0]);
  out_proj_ = register_module("out_proj", Linear(across, across, true, t));
}

Tensor FrameAttention::forward(const Tensor& x, const RowLayout& frames, const SeenPatches* seen) {
  const auto made = side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()});
  const auto split = [&](const Tensor& part) { return part.view({-1, heads_, size_}); };
  const AttentionRule rule{false, {}, 0, 0};
  if (!seen) return out_proj_(attend(split(made[0]), split(made[1]), split(made[2]), frames, rule));
  const auto keys_and_values = [&]() -> KeysAndValues {
    return {reorder(split(made[1]), seen->places, {}), reorder(split(made[2]), seen->places, {})};
  };
  return out_proj_(attend_across(split(made[0]), frames, keys_and_values, seen->rows, rule));
}

AttentionBranchCost FrameAttention::cost(const StepTerms& terms, const RowsShape& frames,
                                         bool flows) const {
  const AttentionCost core = attention_cost(terms, frames, heads_, heads_, size_);
  AttentionBranchCost cost = attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_}, out_proj_,
                                                   core, 0, frames.tokens, flows);
  add_plug(cost, terms, *this, frames.tokens);
  return cost;
}

FrameLayer::FrameLayer(const VisionSizes& o, const torch::TensorOptions& t) {
  layer_norm1_ = register_module("layer_norm1", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  self_attn_ = register_module("self_attn", std::make_shared<FrameAttention>(o, t));
  layer_norm2_ = register_module("layer_norm2", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
}

Tensor FrameLayer::forward(const Tensor& x, const RowLayout& frames, const SeenPatches* seen) {
  const Tensor attended =
      x + self_attn_->joined(self_attn_->forward(layer_norm1_(x), frames, seen), x);
  return attended + mlp_->joined(mlp_->forward(layer_norm2_(attended)), attended);
}

LayerCost FrameLayer::cost(const StepTerms& terms, const RowsShape& frames, bool flows) const {
  const std::int64_t patches = frames.tokens;
  TowerLayerParts parts;
  parts.share = trained_within(terms, *this);
  parts.flows = flows;
  parts.state = terms.block(patches * layer_norm1_->weight.size(0));
  parts.norm_before = norm_kept(terms, layer_norm1_, patches);
  parts.norm_after = norm_kept(terms, layer_norm2_, patches);
  parts.attention = self_attn_->cost(terms, frames, flows);
  parts.mlp = mlp_->cost(terms, patches, parts.attention.passes);
  return tower_layer_cost(parts);
}

}  // namespace luthier
