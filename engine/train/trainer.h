// SPDX-License-Identifier: GPL-3.0-or-later
// A training run from its first step to its last, in its folder: windows of micro-batches, steps,
// schedules, evaluation, checkpoints, and what happens when a person or the machine interferes.
// Everything a step computes depends on the recipe, the inputs and the number of steps done, never
// on time or on how often the run was interrupted; so a resume ends in the same bytes. The
// arithmetic is transformers' Trainer's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/loaded_model.h"
#include "engine/ranks/shards.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/run_folder.h"
#include "engine/train/control.h"
#include "engine/train/run_result.h"

namespace luthier {

class Objective;
class Ranks;

struct TrainerOptions {
  bool gradient_checkpointing = false;
  /// A person can act on a pause: a full disk pauses the run instead of ending it.
  bool interactive = false;
  std::int64_t max_cache_bytes = -1;  ///< of fixed-tower features; -1: by what is free
  /// In place of the recipe's objective: for a host with one of its own.
  std::function<Result<std::unique_ptr<Objective>>(const Recipe&)> objective;
  /// Settings to change at their steps, as a person would have by hand (runs/run_edits.h).
  std::vector<RunEdit> edits = {};
  std::function<double()> clock;  ///< seconds, for save_minutes; empty: a steady clock
  /// The processes that train it together, of which rank 0 writes its folder and tells its host;
  /// null: one process.
  std::shared_ptr<Ranks> ranks = {};
  Shards shards = {};       ///< what each of them keeps a part of; a sharded base is loaded so
  bool ranks_stay = false;  ///< they do more together where this ends well: later stages
};

/// What begin_run found: the run's folder where one is there already, and the recipe with an
/// init_from's settings in their places and, of a resume, the compute type that the run began with.
/// The model is loaded by this recipe.
struct BegunRun {
  Recipe recipe;
  std::optional<PreparedRun>
      run;                    ///< empty: a new folder, made when the first step is ready to begin
  bool nothing_left = false;  ///< of a rank that follows: rank 0 found a run that had ended

  /// How the run ended, where it ran to its end before and nothing is left to do.
  std::optional<RunResult> ended_before() const;
};

/// Before anything is loaded: refuses settings that cannot run and a folder that must not be
/// overwritten; finds what a resume starts from. `ranks`: so many processes share its windows, each
/// with the recipe's accumulation (train/shared_run); a resume keeps the windows of its run.
Result<BegunRun> begin_run(const Recipe& recipe,
                           const std::optional<std::filesystem::path>& resume_run, int ranks = 1);

/// Runs to the end, a stop, or an error. `base` is loaded as the recipe says (training.device,
/// dtype, init). Under full and freeze its weights are changed in place. On return no adapter is
/// active and nothing requires a gradient.
Result<RunResult> train(LoadedModel& base, BegunRun begun, const TrainerOptions& options,
                        TrainControl& control, TrainObserver& observer);

/// The dtype that a fully tuned checkpoint is stored in: the base's own, or what config.json names
/// when weights start at random.
torch::ScalarType result_dtype(const LoadedModel& base, const Recipe& recipe);

}  // namespace luthier
