// SPDX-License-Identifier: GPL-3.0-or-later
// A run that begins with another run's checkpoint: with changed settings, or for more steps. It is
// a folder of its own, which the other run does not need any more and is not changed by. Its
// run.json names the run and the step that it came from (runs/run_parent), its first checkpoint is
// a copy, and it is started as a run that stopped there is: by a resume of it.
//   with the optimizer's state: from that step on, with the curves until there;
//   with the weights alone: from step 0, with fresh moments, a schedule and rows from their start.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/runs/run_folder.h"

namespace luthier {

struct ForkOrder {
  std::filesystem::path parent;
  std::optional<std::int64_t> step;  ///< of the checkpoint; nothing: the newest
  Recipe recipe;                     ///< of the new run; output_dir: its folder, not there yet
  bool carry_optimizer = true;
};

/// Checks all that can be known and writes the new run's folder, which is there whole or not at
/// all. The Input error of a setting that a fork cannot change names it.
Result<RunFolder> fork_run(const ForkOrder& order);

/// The parent's recipe as a fork has it that changes nothing, in `output_dir`.
Result<Recipe> recipe_to_fork(const std::filesystem::path& parent,
                              const std::filesystem::path& output_dir);

/// What a run that goes on for more steps differs in from one that was asked for all of them from
/// the start: a sentence each. None: it ends in the same bytes.
std::vector<std::string> differs_from_longer(const Recipe& recipe, std::int64_t steps_before,
                                             std::int64_t steps_after);

/// A finished run for `more` steps beyond those it was asked for, its optimizer carried on.
struct Extension {
  ForkOrder order;
  std::int64_t steps_before = 0, steps_after = 0;
  std::vector<std::string> differences;  ///< as differs_from_longer says them
};
Result<Extension> plan_extension(const std::filesystem::path& run, std::int64_t more,
                                 const std::filesystem::path& output_dir);

}  // namespace luthier
