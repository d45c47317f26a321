// SPDX-License-Identifier: GPL-3.0-or-later
// What T5's stacks keep for their backward, as t5_stack.cpp computes them: each branch the input of
// its norm, the normed input where products train on it, and what attention or the activation
// keeps. The bias stands once for all layers of a stack, and so do the memory's states.
#include <algorithm>

#include "engine/models/blocks/relu_cost.h"
#include "engine/models/t5/t5_stack.h"
#include "engine/nn/module_cost.h"

namespace luthier::t5 {

namespace {

struct BranchCost {
  std::int64_t kept = 0, work = 0;
  bool passes = false;  ///< a gradient is wanted above
};

/// Norm and sum around what a branch of attention keeps.
BranchCost around(const StepTerms& terms, const AttentionBranchCost& inner, const RmsNorm& norm,
                  std::int64_t tokens, bool normed) {
  const std::int64_t state = terms.block(tokens * norm->weight.size(0)),
                     backward = norm_work(terms, norm, tokens);
  BranchCost cost;
  cost.passes = normed || inner.passes;
  cost.kept = inner.kept + (normed ? norm_kept(terms, norm, tokens) : 0);
  cost.work = state + backward;
  if (inner.inside) cost.work = state + std::max(backward, inner.core.work + inner.core.scores);
  return cost;
}

/// Of the bias on a stack's scores: where it learns the buckets, for the table's gradient; else the
/// bias itself, which fused attention keeps.
std::int64_t bias_stays(const StepTerms& terms, const BiasedPass& pass, std::int64_t heads) {
  if (!pass.bias_learns) return bias_kept(terms, pass.rows, heads);
  std::int64_t bytes = 0;
  for (const auto& group : pass.rows.groups) bytes += terms.block(group.length * group.length, 8);
  return bytes;
}

/// What passes in a branch of attention where nothing is kept: its queries, keys and values, in
/// another order for the scores, and their mixture, with the states before and behind it.
std::int64_t passing(const AttentionCost& core, std::int64_t state) {
  return core.kept + core.kept / 2 + 4 * state;
}

}  // namespace

std::int64_t FeedForward::passing(const StepTerms& terms, std::int64_t tokens) const {
  return (gate_ ? 3 : 2) * terms.block(tokens * wo_->in_features());
}

MlpCost FeedForward::cost(const StepTerms& terms, std::int64_t tokens, bool flows) const {
  if (gate_) return mlp_cost(terms, {gate_, wi_}, wo_, tokens, flows);
  MlpCost cost = mlp_cost(terms, {wi_}, wo_, tokens, flows);
  if (activation_ == Activation::Relu) keep_once(cost, terms, wo_, tokens);
  return cost;
}

bool Block::keeps_memory(const StepTerms& terms) const {
  return across_ && (terms.of(*across_->k).trains || terms.of(*across_->v).trains);
}

Stage Block::cost(const StepTerms& terms, const BiasedPass& pass, bool flows) const {
  const TrainedShare share = trained_within(terms, *this);
  Stage stage;
  stage.gradients = share.parameters * terms.gradient_element;
  const std::int64_t size = self_->q->out_features() / heads_;
  const auto attention = [&](const RowsShape& rows, Scores scores) {
    return attention_cost(terms, rows, heads_, heads_, size, scores);
  };
  const RmsNorm& norm = norms_.back();
  const std::int64_t state = terms.block(pass.tokens * norm->weight.size(0));
  if (!flows && !share.trains && !pass.memory_flows && !pass.bias_learns) {
    // What its forward needs stands where its backward would.
    std::int64_t work = std::max(passing(attention(pass.rows, Scores::Masked), state),
                                 wide_->passing(terms, pass.tokens) + 4 * state);
    if (across_) work = std::max(work, passing(attention(pass.across, Scores::Fused), state));
    stage.moments = {{0, work}};
    return stage;
  }
  const auto normed = [&](std::size_t branch, bool below) {
    return below || terms.of(*norms_[branch]).trains;
  };
  std::vector<BranchCost> branches;
  AttentionBranchCost self = attention_branch_cost(
      terms, {self_->q, self_->k, self_->v}, self_->o,
      attention(pass.rows, pass.bias_learns ? Scores::Biased : Scores::Masked), 0, pass.tokens,
      normed(0, flows) || pass.bias_learns);
  branches.push_back(around(terms, self, norms_[0], pass.tokens, normed(0, flows)));
  if (pass.bias_learns) branches.back().work += bias_kept(terms, pass.rows, heads_);
  bool below = flows || branches.back().passes;
  if (across_) {
    const AttentionBranchCost across =
        across_branch_cost(terms, across_->q, {across_->k, across_->v}, across_->o,
                           attention(pass.across, Scores::Fused), pass.tokens, pass.memory_tokens,
                           normed(1, below), pass.memory_flows);
    branches.push_back(around(terms, across, norms_[1], pass.tokens, normed(1, below)));
    below = below || branches.back().passes;
  }
  const bool wide_normed = normed(norms_.size() - 1, below);
  const MlpCost mlp = wide_->cost(terms, pass.tokens, wide_normed);
  const std::int64_t backward = norm_work(terms, norm, pass.tokens);
  BranchCost last;
  last.kept = mlp.kept + (wide_normed ? norm_kept(terms, norm, pass.tokens) : 0);
  last.work = state + (mlp.inside ? std::max(mlp.work, backward - mlp.released) : mlp.down_work);
  branches.push_back(last);

  std::int64_t all = 0;
  for (const BranchCost& branch : branches) all += branch.kept;
  // A block that is made again makes its bias again, too. Its input, which was kept, is what its
  // first norm keeps.
  const std::int64_t again = bias_stays(terms, pass, heads_) + (normed(0, flows) ? 0 : state);
  stage.kept = terms.checkpointing ? state : all;
  std::int64_t there = stage.kept + (terms.checkpointing ? all + again : 0);
  for (auto branch = branches.rbegin(); branch != branches.rend(); ++branch) {
    stage.moments.push_back({there, branch->work});
    there -= branch->kept;
  }
  return stage;
}

void Stack::add_cost(const StepTerms& terms, const StackPass& given, bool& flows,
                     std::vector<Stage>& stages) const {
  const BiasedPass pass{given, terms.of(*blocks_.front()->bias_table()).trains};
  const std::int64_t width = final_layer_norm_->weight.size(0),
                     state = terms.block(pass.tokens * width);
  Stage shared;
  const auto keeps = [&](const std::shared_ptr<Block>& block) {
    return block->keeps_memory(terms);
  };
  if (std::any_of(blocks_.begin(), blocks_.end(), keeps))
    shared.kept += terms.block(pass.memory_tokens * width);
  if (!terms.checkpointing) shared.kept += bias_stays(terms, pass, heads_);
  stages.push_back(shared);
  for (const auto& block : blocks_) {
    stages.push_back(block->cost(terms, pass, flows));
    flows = flows || pass.memory_flows || pass.bias_learns || trained_within(terms, *block).trains;
  }
  Stage last;
  const TrainedShare share = terms.of(*final_layer_norm_);
  last.kept = flows || share.trains ? norm_kept(terms, final_layer_norm_, pass.tokens) : 0;
  last.moments = {{last.kept, 2 * state + norm_work(terms, final_layer_norm_, pass.tokens)}};
  last.gradients = share.parameters * terms.gradient_element;
  flows = flows || share.trains;
  stages.push_back(last);
}

}  // namespace luthier::t5
