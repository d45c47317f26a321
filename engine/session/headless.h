// SPDX-License-Identifier: GPL-3.0-or-later
// A whole run, or a plan of one, in the calling thread: what `train` and `plan` of the command line
// call. Stable for hosts. No LibTorch header.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>

#include "engine/session/session.h"
#include "engine/train/run_result.h"

namespace luthier {

/// Trains to the end; a stop request saves and ends with RunState::Stopped. `resume_run`: as `train
/// RECIPE --resume RUN`. `on_event` is called on this thread. `held_out_answers`: as
/// Session::launch has it. Errors: Input (exit 2), Machine (exit
/// 3).
Result<RunResult> train_headless(const Recipe& recipe,
                                 const std::optional<std::filesystem::path>& resume_run,
                                 const std::function<void(const SessionEvent&)>& on_event,
                                 std::stop_token stop, std::size_t held_out_answers = 0);

/// What the recipe would take, from arithmetic and the longest rows of its dataset; no weight is
/// loaded.
Result<MemoryForecast> plan(const Recipe& recipe);

}  // namespace luthier
