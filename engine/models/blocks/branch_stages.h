// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer of branches is in a pass, wherever its norms stand (pre_norm_cost.h,
// post_norm_cost.h).
#pragma once

#include <algorithm>
#include <vector>

#include "engine/models/cost.h"
#include "engine/nn/module_cost.h"

namespace luthier {

/// Of one branch, in the order of the forward.
struct BranchStage {
  std::int64_t kept = 0, work = 0;
};

/// Backwards the branches come in the other order. `gradients`: bytes of those of the layer's own
/// numbers. A checkpointed layer keeps its `input`, and is made once more before its backward,
/// `again` beside what its branches keep.
inline Stage stage_of_branches(const StepTerms& terms, const std::vector<BranchStage>& branches,
                               std::int64_t gradients, std::int64_t input, std::int64_t again) {
  std::int64_t all = 0;
  for (const BranchStage& branch : branches) all += branch.kept;
  Stage stage;
  stage.gradients = gradients;
  stage.kept = terms.checkpointing ? input : all;
  std::int64_t there = stage.kept + (terms.checkpointing ? all + again : 0);
  for (auto branch = branches.rbegin(); branch != branches.rend(); ++branch) {
    stage.moments.push_back({there, branch->work});
    there -= branch->kept;
  }
  return stage;
}

/// Of a layer that no gradient reaches: what its forward needs stands where its backward would.
/// `wide`: numbers a token within its feed-forward; `state`: bytes of the tokens' states.
inline Stage passing_stage(const StepTerms& terms, const std::vector<AttentionCost>& cores,
                           std::int64_t tokens, std::int64_t wide, std::int64_t state) {
  std::int64_t work = 2 * terms.block(tokens * wide) + 4 * state;
  for (const AttentionCost& core : cores)
    work = std::max(work, core.kept + core.kept / 2 + 4 * state);
  Stage stage;
  stage.moments = {{0, work}};
  return stage;
}

}  // namespace luthier
