// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/tower_attention.h"

#include "engine/nn/module_cost.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

TowerAttention::TowerAttention(const VisionSizes& o, bool bias, const torch::TensorOptions& t)
    : BranchPort(Kind::Attention, o.hidden_size), heads_(o.num_attention_heads) {
  const std::int64_t width = o.hidden_size;
  const auto made = neighbouring_linears(width, {width, width, width}, bias, t);
  k_proj_ = register_module("k_proj", made[1]);
  v_proj_ = register_module("v_proj", made[2]);
  q_proj_ = register_module("q_proj", made[0]);
  out_proj_ = register_module("out_proj", Linear(width, width, bias, t));
}

Tensor TowerAttention::forward(const Tensor& x) {
  const auto made = side_by_side(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()});
  return out_proj_(attend_frames(made[0], made[1], made[2], heads_));
}

AttentionBranchCost TowerAttention::cost(const StepTerms& terms, std::int64_t rows,
                                         bool flows) const {
  const AttentionCost core = attention_cost(terms, unmoved_rows(terms, rows), heads_, heads_,
                                            q_proj_->out_features() / heads_);
  AttentionBranchCost cost =
      attention_branch_cost(terms, {q_proj_, k_proj_, v_proj_}, out_proj_, core, 0, rows, flows);
  add_plug(cost, terms, *this, rows);
  return cost;
}

}  // namespace luthier
