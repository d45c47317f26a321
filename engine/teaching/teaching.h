// SPDX-License-Identifier: GPL-3.0-or-later
// The teaching default: a small LLaVA checkpoint that this program trained itself, and tuning tasks
// that change something anyone sees at once. Here is where a host (the demo verb, the window) finds
// them: the base, each task's recipe, rows and texts. No torch header.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

/// A tuning task shipped with the program: teaching/tasks/NAME.
struct TeachingTask {
  std::string name;  ///< "korean", "json", "pirate"
  std::filesystem::path folder;
  std::filesystem::path recipe;                ///< recipe.yaml
  std::filesystem::path train, heldout;        ///< rows that share no picture
  std::string title_en, title_ko;              ///< a few words
  std::string description_en, description_ko;  ///< a sentence or two
  const std::string& title(const std::string& language) const {
    return language == "ko" ? title_ko : title_en;
  }
  const std::string& description(const std::string& language) const {
    return language == "ko" ? description_ko : description_en;
  }
};

/// The folder `resources` of this installation: $LUTHIER_RESOURCES, else beside the executable,
/// else ../share/luthier/resources, else `resources` of the source tree that the executable was
/// built in. Input error that names where it looked.
Result<std::filesystem::path> find_resources();

/// The teaching checkpoint's folder. Input error when it is not there.
Result<std::filesystem::path> teaching_base();

/// All tasks, in the order to show them (korean, json, pirate).
Result<std::vector<TeachingTask>> teaching_tasks();
/// One task; the error lists the known names.
Result<TeachingTask> teaching_task(const std::string& name);

/// The task's recipe with absolute paths to the teaching base and the task's rows, writing to
/// `output_dir`.
Result<Recipe> teaching_recipe(const TeachingTask& task, const std::filesystem::path& output_dir);

}  // namespace luthier
