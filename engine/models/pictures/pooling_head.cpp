// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/pictures/pooling_head.h"

#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

namespace {

std::vector<std::int64_t> equal_rows(std::int64_t rows, std::int64_t length) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(rows), length);
}

}  // namespace

PooledAttention::PooledAttention(std::int64_t size, std::int64_t heads,
                                 const torch::TensorOptions& t)
    : heads_(heads) {
  add_parameter("in_proj_weight", in_proj_weight_, {3 * size, size}, t);
  add_parameter("in_proj_bias", in_proj_bias_, {3 * size}, t);
  out_proj_ = register_module("out_proj", PlainLinear(size, size, true, t));
}

Tensor PooledAttention::forward(const Tensor& query, const Tensor& states) const {
  const std::int64_t frames = states.size(0), tokens = states.size(1), size = states.size(2);
  const Tensor q =
      linear_product(query, in_proj_weight_.slice(0, 0, size), in_proj_bias_.slice(0, 0, size));
  const auto seen = [&]() -> KeysAndValues {
    const Tensor made = linear_product(states.reshape({frames * tokens, size}),
                                       in_proj_weight_.slice(0, size), in_proj_bias_.slice(0, size))
                            .view({frames * tokens, 2, heads_, size / heads_});
    return {made.select(1, 0), made.select(1, 1)};
  };
  const RowLayout asking(equal_rows(frames, 1)), asked(equal_rows(frames, tokens));
  const Tensor mixed = attend_across(q.view({1, heads_, size / heads_}).expand({frames, -1, -1}),
                                     asking, seen, asked, {false, {}, 0, 0});
  return out_proj_->product(mixed);
}

AttentionBranchCost PooledAttention::cost(const StepTerms& terms, std::int64_t frames,
                                          std::int64_t tokens, bool flows, bool asks) const {
  const std::int64_t size = in_proj_bias_.size(0) / 3;
  const bool made = terms.of(*this).trains;
  AttentionBranchCost cost;
  cost.core = attention_cost(terms, across_shape(equal_rows(frames, 1), equal_rows(frames, tokens)),
                             heads_, heads_, size / heads_);
  cost.inside = flows || made || asks;
  cost.passes = cost.inside || terms.of(*out_proj_).whole;
  if (made) cost.kept += terms.block(frames * tokens * size);
  if (cost.inside) cost.kept += cost.core.kept;
  if (terms.of(*out_proj_).whole) cost.kept += terms.block(frames * size);
  return cost;
}

std::int64_t PooledAttention::unreached(const StepTerms& terms) const {
  const TrainedShare share = terms.of(*out_proj_);
  return share.whole ? 0 : share.parameters;
}

PoolingHead::PoolingHead(const VisionSizes& o, const torch::TensorOptions& t) {
  add_parameter("probe", probe_, {1, 1, o.hidden_size}, t);
  attention_ = register_module(
      "attention", std::make_shared<PooledAttention>(o.hidden_size, o.num_attention_heads, t));
  layernorm_ = register_module("layernorm", LayerNorm(o.hidden_size, o.layer_norm_eps, t));
  mlp_ = register_module("mlp", std::make_shared<VisionMlp>(o, t));
}

Tensor PoolingHead::forward(const Tensor& states) const {
  const Tensor pooled = attention_->forward(probe_.view({1, -1}), states);
  return pooled + mlp_->joined(mlp_->forward(layernorm_->forward(pooled)), pooled);
}

void PoolingHead::add_cost(const StepTerms& terms, std::int64_t frames, std::int64_t tokens,
                           TowerCost& cost) const {
  const AttentionBranchCost attention =
      attention_->cost(terms, frames, tokens, cost.flows, terms.of(*this).trains);
  const MlpCost mlp = mlp_->cost(terms, frames, attention.passes);
  TrainedShare share = trained_within(terms, *this);
  const std::int64_t unreached = attention_->unreached(terms);
  share.parameters -= unreached;
  std::int64_t kept = attention.kept + mlp.kept;
  if (attention.passes) kept += norm_kept(terms, layernorm_, frames);
  if (!attention.passes && !share.trains) kept = 0;
  cost.add_part(terms, share, kept, attention.core.work);
  cost.unreached += unreached;
}

}  // namespace luthier
