// SPDX-License-Identifier: GPL-3.0-or-later
// What GPT-2's stack keeps for its backward, as gpt2_stack.cpp computes it.
#include <algorithm>

#include "engine/models/blocks/pre_norm_cost.h"
#include "engine/models/gpt2/gpt2_stack.h"

namespace luthier::gpt2 {

bool Layer::keeps_memory(const StepTerms& terms) const {
  return across_ && terms.of(*across_->c_attn).trains;
}

Stage Layer::cost(const StepTerms& terms, const StackPass& pass, std::int64_t asked,
                  bool flows) const {
  const TrainedShare share = trained_within(terms, *this);
  const std::int64_t width = self_->c_attn->in_features();
  const auto core_of = [&](const RowsShape& rows) {
    return attention_cost(terms, rows, heads_, heads_, width / heads_);
  };
  PreNormCost cost(terms, pass.tokens, asked, width, flows);
  if (!flows && !share.trains && !pass.memory_flows) {
    std::vector<AttentionCost> cores{core_of(pass.rows)};
    if (across_) cores.push_back(core_of(pass.across));
    return cost.passing(cores, wide_->out_features());
  }
  cost.add(
      attention_branch_cost(terms, {self_->c_attn}, self_->c_proj, core_of(pass.rows), 0,
                            pass.tokens, cost.normed(self_norm_), asked < pass.tokens ? asked : 0),
      self_norm_);
  if (across_) {
    cost.add(across_branch_cost(terms, across_->q_attn, {across_->c_attn}, across_->c_proj,
                                core_of(pass.across), pass.tokens, pass.memory_tokens,
                                cost.normed(across_norm_), pass.memory_flows),
             across_norm_);
  }
  cost.add(mlp_cost(terms, {wide_}, narrow_, asked, cost.normed(wide_norm_)), wide_norm_);
  return cost.stage(share.parameters * terms.gradient_element);
}

void Stack::add_cost(const StepTerms& terms, const StackPass& pass, std::int64_t asked, bool& flows,
                     std::vector<Stage>& stages) const {
  const std::int64_t width = wte->weight.size(1), state = terms.block(pass.tokens * width);
  const TrainedShare places = terms.of(*wpe_);
  // A lookup's gradient is as large as its table.
  Stage first;
  flows = flows || places.trains;
  first.moments = {{0, 2 * state + (places.whole ? terms.block(wpe_->weight.numel()) : 0)}};
  first.gradients = places.parameters * terms.gradient_element;
  const auto keeps = [&](const std::shared_ptr<Layer>& layer) {
    return layer->keeps_memory(terms);
  };
  if (std::any_of(layers_.begin(), layers_.end(), keeps))
    first.kept += terms.block(pass.memory_tokens * width);
  stages.push_back(first);
  for (const auto& layer : layers_) {
    const bool narrow =
        layer == layers_.back() && layer->narrows() && trained_within(terms, *layer).row_by_row;
    stages.push_back(layer->cost(terms, pass, narrow ? asked : pass.tokens, flows));
    flows = flows || pass.memory_flows || trained_within(terms, *layer).trains;
  }
  Stage last;
  const TrainedShare norm = terms.of(*ln_f_);
  if (flows || norm.trains) last.kept = norm_kept(terms, ln_f_, asked);
  // Where some tokens alone are asked for, their gradient is spread out among all.
  last.moments = {{last.kept, state + terms.block(asked * width) + norm_work(terms, ln_f_, asked)}};
  last.gradients = norm.parameters * terms.gradient_element;
  flows = flows || norm.trains;
  stages.push_back(last);
}

}  // namespace luthier::gpt2
