// SPDX-License-Identifier: GPL-3.0-or-later
// A reward function that is a program of the person's own. Only who starts a run may name it, on
// the command line (`luthier-cli train --reward-program`) or in the window, and for that run alone;
// a recipe can only ask for whichever that is, as `program`, and no file or row can name one. It is
// started once, without a shell, and asked line by line on its standard streams:
//   to it    {"answers": [{"text": "...", "row": {...}, "where": "train.jsonl: row 3"}, ...]}
//   from it  {"rewards": [1.5, null, ...]}     as many, in their order; null: it has none
// What it writes to its standard error goes to ours. It ends when its standard input does.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/config/rollouts.h"
#include "engine/rewards/reward_function.h"

namespace luthier {

/// `seconds`: what it may take for one line. An Input error where the program cannot be started. A
/// program that hangs (it is ended then), ends by itself or answers otherwise is a Machine error of
/// rewards(), and of every call after it.
Result<std::unique_ptr<RewardFunction>> start_reward_program(const std::filesystem::path& program,
                                                             double seconds = 60);

/// Starts the person's program. It is the reward function kProgramReward for as long as what is
/// returned, or a function that was made of it, lives; the newest, where there are several.
/// An empty path names none, and null is returned. An Input error where it cannot be started.
Result<std::shared_ptr<RewardFunction>> name_reward_program(const std::filesystem::path& program,
                                                            double seconds = 60);
/// That one, shared by all who ask; null: nobody has named one.
std::unique_ptr<RewardFunction> named_reward_program();

}  // namespace luthier
