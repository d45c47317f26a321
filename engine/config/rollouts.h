// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives have in common that learn from samples: a file of those that were drawn before,
// from which a run learns instead of its dataset, who judges them, and what each judge's word
// weighs.
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
/// The name under which a recipe asks for the program of a person's own, whichever they name when
/// they start the run (rewards/program_reward.h).
inline constexpr const char* kProgramReward = "program";
/// The setting that names the judges (`grpo.reward_funcs`, …); empty: the objective has none.
std::string reward_funcs_key(const Recipe& recipe);
/// Whether the judges of answers that are drawn are to include the person's program.
bool asks_for_program(const Recipe& recipe);
/// What the reward of each judge is multiplied with (`grpo.reward_weights`, …), in the order of the
/// judges; empty: each counts as it is.
std::vector<double> reward_weights_of(const Recipe& recipe);

}  // namespace luthier
