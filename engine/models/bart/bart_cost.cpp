// SPDX-License-Identifier: GPL-3.0-or-later
// What BART's stacks keep for their backward, as bart_stack.cpp computes them: of each branch the
// input of its products where they train, what attention or the activation keeps, and the sum that
// the norm behind it takes. The memory's states stand once for all layers.
#include <algorithm>

#include "engine/models/bart/bart_stack.h"
#include "engine/models/blocks/pre_norm_cost.h"
#include "engine/nn/module_cost.h"

namespace luthier::bart {

namespace {

struct BranchBytes {
  std::int64_t kept = 0, work = 0;
};

/// The sum and the norm behind what a branch of attention keeps.
BranchBytes before_norm(const StepTerms& terms, const AttentionBranchCost& inner,
                        const LayerNorm& norm, std::int64_t tokens, bool normed) {
  const std::int64_t state = terms.block(tokens * norm->weight.size(0));
  BranchBytes branch;
  branch.kept = inner.kept + (normed ? norm_kept(terms, norm, tokens) : 0);
  branch.work = std::max(norm_work(terms, norm, tokens), state + inner.core.work);
  return branch;
}

}  // namespace

bool Layer::keeps_memory(const StepTerms& terms) const {
  return across_ && (terms.of(*across_->k_proj).trains || terms.of(*across_->v_proj).trains);
}

Stage Layer::pre_norm_cost(const StepTerms& terms, const StackPass& pass, bool flows) const {
  const TrainedShare share = trained_within(terms, *this);
  const std::int64_t width = fc1_->in_features();
  const auto core_of = [&](const RowsShape& rows) {
    return attention_cost(terms, rows, heads_, heads_, width / heads_);
  };
  PreNormCost cost(terms, pass.tokens, pass.tokens, width, flows);
  if (!flows && !share.trains && !pass.memory_flows) {
    std::vector<AttentionCost> cores{core_of(pass.rows)};
    if (across_) cores.push_back(core_of(pass.across));
    return cost.passing(cores, fc1_->out_features());
  }
  cost.add(
      attention_branch_cost(terms, {self_->q_proj, self_->k_proj, self_->v_proj}, self_->out_proj,
                            core_of(pass.rows), 0, pass.tokens, cost.normed(self_norm_)),
      self_norm_);
  if (across_) {
    cost.add(across_branch_cost(terms, across_->q_proj, {across_->k_proj, across_->v_proj},
                                across_->out_proj, core_of(pass.across), pass.tokens,
                                pass.memory_tokens, cost.normed(across_norm_), pass.memory_flows),
             across_norm_);
  }
  cost.add(mlp_cost(terms, {fc1_}, fc2_, pass.tokens, cost.normed(last_norm_)), last_norm_);
  return cost.stage(share.parameters * terms.gradient_element);
}

Stage Layer::cost(const StepTerms& terms, const StackPass& pass, bool flows) const {
  if (pre_norm_) return pre_norm_cost(terms, pass, flows);
  const TrainedShare share = trained_within(terms, *this);
  const std::int64_t width = fc1_->in_features(), state = terms.block(pass.tokens * width);
  const auto core_of = [&](const RowsShape& rows) {
    return attention_cost(terms, rows, heads_, heads_, width / heads_);
  };
  Stage stage;
  stage.gradients = share.parameters * terms.gradient_element;
  if (!flows && !share.trains && !pass.memory_flows) {
    // What its forward needs stands where its backward would.
    const auto passing = [&](const RowsShape& rows) {
      const AttentionCost core = core_of(rows);
      return core.kept + core.kept / 2 + 4 * state;
    };
    std::int64_t work = std::max(passing(pass.rows),
                                 2 * terms.block(pass.tokens * fc1_->out_features()) + 4 * state);
    if (across_) work = std::max(work, passing(pass.across));
    stage.moments = {{0, work}};
    return stage;
  }
  std::vector<BranchBytes> branches;
  bool below = flows;
  const auto add = [&](const AttentionBranchCost& inner, const LayerNorm& norm) {
    below = below || inner.passes || terms.of(*norm).trains;
    branches.push_back(before_norm(terms, inner, norm, pass.tokens, below));
  };
  add(attention_branch_cost(terms, {self_->q_proj, self_->k_proj, self_->v_proj}, self_->out_proj,
                            core_of(pass.rows), 0, pass.tokens, below),
      self_norm_);
  if (across_) {
    add(across_branch_cost(terms, across_->q_proj, {across_->k_proj, across_->v_proj},
                           across_->out_proj, core_of(pass.across), pass.tokens, pass.memory_tokens,
                           below, pass.memory_flows),
        across_norm_);
  }
  const MlpCost mlp = mlp_cost(terms, {fc1_}, fc2_, pass.tokens, below);
  const bool normed = below || mlp.inside || share.trains;
  BranchBytes last;
  last.kept = mlp.kept + (normed ? norm_kept(terms, last_norm_, pass.tokens) : 0);
  last.work = std::max(norm_work(terms, last_norm_, pass.tokens), state + mlp.work);
  branches.push_back(last);

  std::int64_t all = 0;
  for (const BranchBytes& branch : branches) all += branch.kept;
  stage.kept = terms.checkpointing ? state : all;
  std::int64_t there = stage.kept + (terms.checkpointing ? all + state : 0);
  for (auto branch = branches.rbegin(); branch != branches.rend(); ++branch) {
    stage.moments.push_back({there, branch->work});
    there -= branch->kept;
  }
  return stage;
}

void Stack::add_cost(const StepTerms& terms, const StackPass& pass, bool& flows,
                     std::vector<Stage>& stages) const {
  const std::int64_t width = layernorm_embedding_->weight.size(0),
                     state = terms.block(pass.tokens * width);
  const TrainedShare places = terms.of(*embed_positions_), norm = terms.of(*layernorm_embedding_);
  Stage first;
  flows = flows || places.trains || norm.trains;
  if (flows) first.kept = norm_kept(terms, layernorm_embedding_, pass.tokens);
  const std::int64_t table =
      places.whole ? terms.block(embed_positions_->weight.numel()) : std::int64_t{0};
  first.moments = {{first.kept, 2 * state + table}};
  first.gradients = (places.parameters + norm.parameters) * terms.gradient_element;
  const auto keeps = [&](const std::shared_ptr<Layer>& layer) {
    return layer->keeps_memory(terms);
  };
  if (std::any_of(layers_.begin(), layers_.end(), keeps))
    first.kept += terms.block(pass.memory_tokens * width);
  stages.push_back(first);
  for (const auto& layer : layers_) {
    stages.push_back(layer->cost(terms, pass, flows));
    flows = flows || pass.memory_flows || trained_within(terms, *layer).trains;
  }
  if (!layer_norm_) return;
  Stage last;
  const TrainedShare share = terms.of(*layer_norm_);
  if (flows || share.trains) last.kept = norm_kept(terms, layer_norm_, pass.tokens);
  last.moments = {{last.kept, 2 * state + norm_work(terms, layer_norm_, pass.tokens)}};
  last.gradients = share.parameters * terms.gradient_element;
  flows = flows || share.trains;
  stages.push_back(last);
}

void Body::add_cost(const Pass& pass, bool before, PassCost& cost) const {
  add_two_stacks(pass, shared, before, *encoder_, *decoder_, cost.stages);
}

HeadCost Body::head_cost(const StepTerms& terms, const Linear& head) const {
  const TrainedShare share = terms.of(*head), table = terms.of(*shared);
  const bool tied = head->weight.shares(shared->weight);
  return {options_.vocab_size, options_.d_model, share.whole || (tied && table.whole),
          share.trains && !share.whole};
}

}  // namespace luthier::bart
