// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer of branches keeps whose LayerNorms stand before them (x + f(norm(x))): GPT-2's and
// mBART's. Of each branch the norm's input, the normed input where products train on it, and what
// attention or the activation keeps; backwards the branches come in the other order.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/models/cost.h"
#include "engine/nn/module_cost.h"

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
    Branch branch;
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
    Branch branch;
    branch.kept = inner.kept + (through ? norm_kept(terms_, norm, asked_) : 0);
    branch.work =
        state_ + (inner.inside ? std::max(inner.work, backward - inner.released) : inner.down_work);
    branches_.push_back(branch);
  }

  /// `gradients`: bytes of those of the layer's own numbers.
  Stage stage(std::int64_t gradients) const {
    std::int64_t all = 0;
    for (const Branch& branch : branches_) all += branch.kept;
    Stage stage;
    stage.gradients = gradients;
    stage.kept = terms_.checkpointing ? input_ : all;
    // The layer's input, which was kept, is what its first norm keeps.
    const std::int64_t again = first_through_ ? 0 : input_;
    std::int64_t there = stage.kept + (terms_.checkpointing ? all + again : 0);
    for (auto branch = branches_.rbegin(); branch != branches_.rend(); ++branch) {
      stage.moments.push_back({there, branch->work});
      there -= branch->kept;
    }
    return stage;
  }

  /// Of a layer that no gradient reaches: what its forward needs stands where its backward would.
  /// `wide`: numbers a token within its feed-forward.
  Stage passing(const std::vector<AttentionCost>& cores, std::int64_t wide) const {
    std::int64_t work = 2 * terms_.block(asked_ * wide) + 4 * input_;
    for (const AttentionCost& core : cores)
      work = std::max(work, core.kept + core.kept / 2 + 4 * input_);
    Stage stage;
    stage.moments = {{0, work}};
    return stage;
  }

 private:
  struct Branch {
    std::int64_t kept = 0, work = 0;
  };
  bool begin(const LayerNorm& norm) {
    const bool through = normed(norm);
    if (branches_.empty()) first_through_ = through;
    return through;
  }

  const StepTerms& terms_;
  std::int64_t tokens_, asked_, input_, state_;
  bool below_, first_through_ = false;
  std::vector<Branch> branches_;
};

}  // namespace luthier
