// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer of branches keeps whose LayerNorms stand behind them (norm(x + f(x))): of each
// branch the input of its products where they train, what attention or the activation keeps, and
// the sum that the norm behind it takes. Backwards the branches come in the other order.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/models/cost.h"
#include "engine/nn/module_cost.h"

namespace luthier {

class PostNormCost {
 public:
  /// `flows`: a gradient is wanted of what comes in.
  PostNormCost(const StepTerms& terms, std::int64_t tokens, std::int64_t width, bool flows)
      : terms_(terms), tokens_(tokens), state_(terms.block(tokens * width)), below_(flows) {}

  /// Whether a gradient is wanted of what the next branch takes.
  bool below() const { return below_; }

  void add(const AttentionBranchCost& inner, const LayerNorm& norm) {
    below_ = below_ || inner.passes || terms_.of(*norm).trains;
    branches_.push_back(
        {inner.kept + (below_ ? norm_kept(terms_, norm, tokens_) : 0),
         std::max(norm_work(terms_, norm, tokens_), state_ + inner.core.work + inner.core.scores)});
  }
  void add(const MlpCost& inner, const LayerNorm& norm) {
    below_ = below_ || inner.inside || terms_.of(*norm).trains;
    branches_.push_back({inner.kept + (below_ ? norm_kept(terms_, norm, tokens_) : 0),
                         std::max(norm_work(terms_, norm, tokens_), state_ + inner.work)});
  }

  /// `gradients`: bytes of those of the layer's own numbers. A checkpointed layer keeps its input,
  /// and is made once more before its backward.
  Stage stage(std::int64_t gradients) const {
    std::int64_t all = 0;
    for (const Branch& branch : branches_) all += branch.kept;
    Stage stage;
    stage.gradients = gradients;
    stage.kept = terms_.checkpointing ? state_ : all;
    std::int64_t there = stage.kept + (terms_.checkpointing ? all + state_ : 0);
    for (auto branch = branches_.rbegin(); branch != branches_.rend(); ++branch) {
      stage.moments.push_back({there, branch->work});
      there -= branch->kept;
    }
    return stage;
  }

  /// Of a layer that no gradient reaches: what its forward needs stands where its backward would.
  /// `wide`: numbers a token within its feed-forward.
  Stage passing(const std::vector<AttentionCost>& cores, std::int64_t wide) const {
    std::int64_t work = 2 * terms_.block(tokens_ * wide) + 4 * state_;
    for (const AttentionCost& core : cores)
      work = std::max(work, core.kept + core.kept / 2 + 4 * state_);
    Stage stage;
    stage.moments = {{0, work}};
    return stage;
  }

 private:
  struct Branch {
    std::int64_t kept = 0, work = 0;
  };
  const StepTerms& terms_;
  std::int64_t tokens_, state_;
  bool below_;
  std::vector<Branch> branches_;
};

}  // namespace luthier
