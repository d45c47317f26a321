// SPDX-License-Identifier: GPL-3.0-or-later
// A reward model's word on a comparison's answers: the reward of each, and how often a column's is
// above that of the column that the others are held against. No LibTorch header.
#pragma once

#include <cstddef>
#include <functional>

#include "engine/compare/comparison.h"
#include "engine/compare/scores.h"

namespace luthier {

class RewardModel;

/// Every answer at its end gets its reward (of a process reward model that of its worst step).
/// `progress(done, total)` counts answers; false stops (Interrupted).
Status score_by_reward(Comparison& comparison, RewardModel& model,
                       const std::function<bool(std::size_t, std::size_t)>& progress = {});

}  // namespace luthier
