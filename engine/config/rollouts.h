// SPDX-License-Identifier: GPL-3.0-or-later
// Where the rows of a run come from: its dataset, or a file of samples that were drawn before.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe.h"

namespace luthier {

/// The file of given samples (`grpo.rollouts`, …) that the recipe's objective learns from; empty:
/// it names none, or has none.
std::string rollouts_of(const Recipe& recipe);
/// The setting that names it; empty: the objective has none.
std::string rollouts_key(const Recipe& recipe);
/// The files of the rows that are trained on: the given samples, else the dataset.
std::vector<std::string> training_files(const Recipe& recipe);

}  // namespace luthier
