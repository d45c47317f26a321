// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer of branches keeps whose LayerNorms stand before them (x + f(norm(x))): GPT-2's and
// mBART's. Of each branch the norm's input, the normed input where products train on it, and what
// attention or the activation keeps; backwards the branches come in the other order.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/models/blocks/branch_stages.h"

namespace luthier {

class PreNormCost {
 public:
  /// `flows`: a gradient is wanted of what comes in; `asked`: tokens that go on behind what the
  /// first branch has mixed.
  PreNormCost(const StepTerms& terms, std::int64_t tokens, std::int64_t asked, std::int64_t width,
              bool flows)
      : terms_(terms),
        tokens_(tokens),
        asked_(asked),
        input_(terms.block(tokens * width)),
        state_(terms.block(asked * width)),
        below_(flows) {}

  /// Whether a gradient is wanted of what the norm of the next branch gives.
  bool normed(const LayerNorm& norm) const { return below_ || terms_.of(*norm).trains; }

  void add(const AttentionBranchCost& inner, const LayerNorm& norm) {
    const std::int64_t rows = branches_.empty() ? tokens_ : asked_,
                       backward = norm_work(terms_, norm, rows);
    const bool through = begin(norm);
    BranchStage branch;
    branch.kept = inner.kept + (through ? norm_kept(terms_, norm, rows) : 0);
    branch.work = state_ + backward;
    if (inner.inside)
      branch.work = state_ + std::max(backward, inner.core.work + inner.core.scores);
    below_ = below_ || through || inner.passes;
    branches_.push_back(branch);
  }
  void add(const MlpCost& inner, const LayerNorm& norm) {
    const std::int64_t backward = norm_work(terms_, norm, asked_);
    const bool through = begin(norm);
    BranchStage branch;
    branch.kept = inner.kept + (through ? norm_kept(terms_, norm, asked_) : 0);
    branch.work =
        state_ + (inner.inside ? std::max(inner.work, backward - inner.released) : inner.down_work);
    branches_.push_back(branch);
  }

  /// `gradients`: bytes of those of the layer's own numbers.
  Stage stage(std::int64_t gradients) const {
    // The layer's input, which was kept, is what its first norm keeps.
    return stage_of_branches(terms_, branches_, gradients, input_, first_through_ ? 0 : input_);
  }

  /// Of a layer that no gradient reaches: what its forward needs stands where its backward would.
  /// `wide`: numbers a token within its feed-forward.
  Stage passing(const std::vector<AttentionCost>& cores, std::int64_t wide) const {
    return passing_stage(terms_, cores, asked_, wide, input_);
  }

 private:
  bool begin(const LayerNorm& norm) {
    const bool through = normed(norm);
    if (branches_.empty()) first_through_ = through;
    return through;
  }

  const StepTerms& terms_;
  std::int64_t tokens_, asked_, input_, state_;
  bool below_, first_through_ = false;
  std::vector<BranchStage> branches_;
};

}  // namespace luthier
