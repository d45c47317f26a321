// SPDX-License-Identifier: GPL-3.0-or-later
// A recipe of stages: several recipes in one file, run one after another, each from the result of
// the one before it. What stands outside `stages` is every stage's default; a stage's own keys win.
// How a stage starts from the last one's result is the session's to say (session/stage_course.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

struct RecipeStage {
  std::string name;  ///< of its folder; what is learned in it, where the file does not say
  /// The last stage's adapter goes into its base before this one begins, also where it could go on
  /// learning.
  bool merge = false;
  /// Without output_dir; model, init and adapter.init_from are the first stage's alone, for a later
  /// one starts from a result.
  Recipe recipe;
};

/// After each stage its result is evaluated on every stage's eval_dataset (runs/task_table.h).
struct TaskTableSettings {
  std::int64_t answers = 0;  ///< so many rows of each task are answered, too
  bool operator==(const TaskTableSettings&) const = default;
};

struct StagedRecipe {
  std::string output_dir;
  std::vector<RecipeStage> stages;  ///< never empty
  std::optional<TaskTableSettings> task_table = {};
};

/// The recipe of stages in a file, nullopt where it has no `stages` (it is one recipe then). Reads
/// and checks as read_recipe does; errors name a stage's fields as "stages.2.training.seed".
/// `overrides`: KEY=VALUE is for every stage that has the setting, stages.2.KEY=VALUE (or by a
/// stage's name) for one.
Result<std::optional<StagedRecipe>> read_staged_recipe(
    const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
Result<std::optional<StagedRecipe>> parse_staged_recipe(
    const std::string& yaml, const std::string& where,
    const std::vector<std::string>& overrides = {});

/// All settings of all stages; parse_staged_recipe reads it back equal.
std::string staged_recipe_to_yaml(const StagedRecipe& staged);

/// "2-dpo": `index` from 0.
std::string stage_folder_name(std::size_t index, const RecipeStage& stage);
/// "stages.2.": before a field of it in errors.
std::string stage_prefix(std::size_t index);

}  // namespace luthier
