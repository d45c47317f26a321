// SPDX-License-Identifier: GPL-3.0-or-later
// A run of stages from the first to the last, for both hosts: the headless one and the session's
// worker. What a stage is trained by is the host's; here is which comes when, from what, and what
// is looked at before the first one begins.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/session/session.h"
#include "engine/session/stage_course.h"
#include "engine/train/trainer.h"

namespace luthier {

/// Asked when the first model of a run stands, before it trains.
using ModelCheck = std::function<Status(const LoadedModel&)>;

/// What a host trains.
struct StageRun {
  Recipe recipe;
  std::filesystem::path folder;
  ModelCheck check;      ///< may be empty
  std::string products;  ///< who made the products of the stage before (device/product_library)
};
/// A stage that begins anew has its products made as the one before it had them: after a kill
/// another process's choice would have other last bits. Behind begin_run.
void keep_stage_products(const BegunRun& begun, const StageRun& stage);

struct StageHost {
  std::function<void(const SessionEvent&)> emit;
  std::function<bool()> stopping;
  /// One stage, as `train RECIPE --resume RUN` does it.
  std::function<Result<RunResult>(const StageRun&)> train;
  int ranks = 1;  ///< processes that train each stage
  /// Lets go of a model that stands in memory, before two others are needed; empty: none stands.
  std::function<void()> let_go = {};
};

/// Runs what of the stages is not finished. A faulty later stage (its settings, rows, memory, or
/// what it would start from) is refused before the first one begins. Stopped: what ended it goes on
/// with --resume. The result's folder is the whole run's.
Result<RunResult> run_stages(const StagedRecipe& staged,
                             const std::optional<std::filesystem::path>& resume_run,
                             const StageHost& host);

}  // namespace luthier
