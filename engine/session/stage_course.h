// SPDX-License-Identifier: GPL-3.0-or-later
// How a stage starts from the result of the one before it. An adapter goes on learning in the next
// stage of the same method; otherwise it goes into its base, and that checkpoint is the next
// stage's model; after a stage that trained the base's own weights its checkpoint is. What cannot
// follow is refused here, before anything is loaded.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/stages.h"
#include "engine/runs/stage_folder.h"

namespace luthier {

enum class StageStart {
  Base,       ///< the first: as its recipe says
  Adapter,    ///< the last stage's adapter, over the same base
  Merged,     ///< the last stage's base with its adapter in it
  Checkpoint  ///< what the last stage wrote
};
/// "adapter", as stages.json says it.
std::string stage_start_name(StageStart start);

/// A stage in its place.
struct StageStep {
  std::string name;
  StageStart start = StageStart::Base;
  /// What can be known of its recipe before it begins: over the first stage's model, whose family,
  /// sizes and tokenizer are all stages', and with the settings of an adapter that goes on.
  Recipe foreseen;
};

/// The steps of all stages, or an Input error that names stage and field.
Result<std::vector<StageStep>> plan_course(const StagedRecipe& staged);

/// The recipe that a stage runs by in a folder where the stages before it have ended.
Recipe stage_recipe(const std::vector<StageStep>& steps, std::size_t index,
                    const StagedRecipe& staged, const StageFolder& folder);
/// The same, before there is a folder: what stages.json says of each.
std::vector<StageRecord> stage_records(const std::vector<StageStep>& steps,
                                       const StagedRecipe& staged,
                                       const std::filesystem::path& folder);

/// An error of a stage, with the stage before the field that it names.
Error in_stage(Error error, std::size_t index);

}  // namespace luthier
