// SPDX-License-Identifier: GPL-3.0-or-later
// A whole run, or a plan of one, in the calling thread: what `train` and `plan` of the command line
// call. Stable for hosts. No LibTorch header.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "engine/ranks/rank_place.h"
#include "engine/ranks/shards.h"
#include "engine/runs/run_edits.h"
#include "engine/session/session.h"
#include "engine/train/run_result.h"

namespace luthier {

/// Trains to the end; a stop request saves and ends with RunState::Stopped. `resume_run`: as `train
/// RECIPE --resume RUN`. `on_event` is called on this thread. `held_out_answers`: as
/// Session::launch has it. `edits`: settings to change at their steps, as a person would have by
/// hand. Errors: Input (exit 2), Machine (exit 3).
Result<RunResult> train_headless(const Recipe& recipe,
                                 const std::optional<std::filesystem::path>& resume_run,
                                 const std::function<void(const SessionEvent&)>& on_event,
                                 std::stop_token stop, std::size_t held_out_answers = 0,
                                 const std::vector<RunEdit>& edits = {});

/// train_headless of one of several processes that train a run together (ranks/rank_place.h): all
/// of them call it, with the same recipe. Rank 0's events are told, and its result; the others come
/// back when it has ended, with an error where it ended with one. `come`: seconds until all are
/// there. `shards`: what each keeps a part of.
Result<RunResult> train_rank_headless(const RankPlace& place, const Recipe& recipe,
                                      const std::optional<std::filesystem::path>& resume_run,
                                      const std::function<void(const SessionEvent&)>& on_event,
                                      std::stop_token stop, const std::vector<RunEdit>& edits = {},
                                      std::int64_t come = 300, const Shards& shards = {});

/// The same as train_headless for stages, one after another. A stop ends with RunState::Stopped,
/// and `resume_run` is the whole run's folder, which the result names too. One RunEnded comes, at
/// the end of all.
Result<RunResult> train_stages_headless(const StagedRecipe& staged,
                                        const std::optional<std::filesystem::path>& resume_run,
                                        const std::function<void(const SessionEvent&)>& on_event,
                                        std::stop_token stop);

/// The same of one of several processes that train each stage together (train_rank_headless).
Result<RunResult> train_stages_rank_headless(
    const RankPlace& place, const StagedRecipe& staged,
    const std::optional<std::filesystem::path>& resume_run,
    const std::function<void(const SessionEvent&)>& on_event, std::stop_token stop,
    std::int64_t come = 300, const Shards& shards = {});

/// What the recipe would take, from arithmetic and the longest rows of its dataset; no weight is
/// loaded.
/// `ranks`: of one of so many processes that train it together.
Result<MemoryForecast> plan(const Recipe& recipe, const RankPlan& ranks = {});

struct StageForecast {
  std::string name;
  MemoryForecast forecast;
};
/// The same of every stage, before any has run: over the first one's model.
Result<std::vector<StageForecast>> plan_stages(const StagedRecipe& staged,
                                               const RankPlan& ranks = {});
/// The place of the one that takes most.
std::size_t largest_stage(const std::vector<StageForecast>& stages);

}  // namespace luthier
