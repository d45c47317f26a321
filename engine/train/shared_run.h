// SPDX-License-Identifier: GPL-3.0-or-later
// A run that several ranks train together. Rank 0 leads: it has the run's folder, its host, its
// schedule and all that interferes, exactly as one process has; before each step and evaluation it
// says so, and the others do their part and wait for its next word, however long a person pauses.
// They have the same model, the same trained tensors and the same optimizer's state, since all see
// the same gradients; they write nothing. Sharded, each has the optimizer's state of the tensors
// that it owns, moves those, and is sent the others' (ZeRO's first stage).
//
// A recipe's gradient_accumulation_steps are one rank's, as torchrun's users know it: the run's
// window has as many micro-batches of each rank, and recipe.yaml in its folder says how many that
// is. So the run is to the bit the one that a single process has with that recipe.yaml, and it can
// be resumed by any number of ranks.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/tensor_file.h"
#include "engine/ranks/ranks.h"
#include "engine/ranks/shards.h"
#include "engine/train/run_parts.h"
#include "engine/train/trainer.h"

namespace luthier {

/// begin_run() of all ranks: rank 0 looks at the folder and tells the others what it found. Input
/// error where a rank has other settings, or keeps parts of other things. `stage`: the recipe has
/// its run's whole window, and what had ended before is over for all.
Result<BegunRun> begin_shared_run(const Recipe& recipe,
                                  const std::optional<std::filesystem::path>& resume_run,
                                  Ranks& ranks, const Shards& shards = {}, bool stage = false);

/// Rank 0's word, as every rank has it: what was decided on one machine (gradient checkpointing by
/// the memory that is free) holds on all.
Result<std::string> from_leader(Ranks& ranks, const std::string& mine);

/// Input error where this rank has another model, other data or another type than rank 0. All ranks
/// call it.
Status agree_on_inputs(RunParts& run, const RunManifest& mine);

/// Input error where the optimizer's state of this recipe is not sharded.
Status can_shard(const Recipe& recipe, const Objective* objective = nullptr);
/// The optimizer's state sharded: refuses what cannot be, and lets go of what is other ranks'.
Status prepare_shards(RunParts& run);
/// Which of a checkpoint's optimizer tensors this rank takes; empty: all.
std::function<bool(const std::string&)> own_state(const RunParts& run);
/// The optimizer's state for a checkpoint, sorted by name: of all ranks, each tensor fetched when
/// its turn has come. Rank 0 asks, while the others follow.
Result<std::vector<TensorToMake>> optimizer_state(RunParts& run);
/// The float32 masters that a result is written from.
Result<std::map<std::string, torch::Tensor>> all_masters(RunParts& run);

struct StepOrder {
  double rate = 0, max_norm = 0;
};
std::string step_order(const StepOrder& order);
std::string evaluation_order();
/// The run has ended well, and the ranks stay together.
std::string over_order();
/// An order that this build does not know cannot come from the same build.
Error order_not_known(const std::string& order);

/// What a rank that follows does, until rank 0 says that the run is over.
Result<RunResult> follow(RunParts& run, const std::function<bool()>& stopping);

}  // namespace luthier
