// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer of branches keeps whose LayerNorms stand behind them (norm(x + f(x))): of each
// branch the input of its products where they train, what attention or the activation keeps, and
// the sum that the norm behind it takes. Backwards the branches come in the other order.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/models/blocks/branch_stages.h"

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
    return stage_of_branches(terms_, branches_, gradients, state_, state_);
  }

  /// Of a layer that no gradient reaches: what its forward needs stands where its backward would.
  /// `wide`: numbers a token within its feed-forward.
  Stage passing(const std::vector<AttentionCost>& cores, std::int64_t wide) const {
    return passing_stage(terms_, cores, tokens_, wide, state_);
  }

 private:
  const StepTerms& terms_;
  std::int64_t tokens_, state_;
  bool below_;
  std::vector<BranchStage> branches_;
};

}  // namespace luthier
