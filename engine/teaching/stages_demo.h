// SPDX-License-Identifier: GPL-3.0-or-later
// What the demo of stages learns from: four stages of one adapter over the teaching base, each with
// what its result is judged by on held-out questions. No LibTorch header.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/stages.h"
#include "engine/teaching/manners.h"

namespace luthier {

/// The words of the pirate's manner from texts alone; that manner for answers; the plain one, which
/// is the shorter, preferred again; right answers, by a reward alone.
struct StagesLesson {
  StagedRecipe staged;             ///< words, manner, preference, reward
  std::vector<Answered> held_out;  ///< in the order of the rows of `own`
  std::filesystem::path own;       ///< held-out questions with the base's own answers
};

/// Writes the stages' rows into `folder`, which is made; pictures stay where they are.
Result<StagesLesson> make_stages_demo(const std::filesystem::path& folder);

}  // namespace luthier
