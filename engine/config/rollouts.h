// SPDX-License-Identifier: GPL-3.0-or-later
// A file of samples that were drawn before, from which a run learns instead of its dataset.
#pragma once

#include <string>

#include "engine/config/recipe.h"

namespace luthier {

/// The file of given samples (`grpo.rollouts`, …) that the recipe's objective learns from; empty:
/// it names none, or has none.
std::string rollouts_of(const Recipe& recipe);
/// The setting that names it; empty: the objective has none.
std::string rollouts_key(const Recipe& recipe);

}  // namespace luthier
