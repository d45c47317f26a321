// SPDX-License-Identifier: GPL-3.0-or-later
// Where the teaching model and its tasks lie on disk.
#include "engine/teaching/teaching.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "engine/io/json.h"
#include "engine/io/probe.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kTasks = {"korean", "json", "pirate"};

Result<TeachingTask> read_task(const fs::path& folder, const std::string& name) {
  TeachingTask task;
  task.name = name;
  task.folder = folder;
  task.recipe = folder / "recipe.yaml";
  task.train = folder / "train.jsonl";
  task.heldout = folder / "heldout.jsonl";
  const std::string where = (folder / "task.json").string();
  LUTHIER_TRY(const Json texts, read_json_file(folder / "task.json"));
  for (const auto& [key, en, ko] :
       {std::tuple("title", &task.title_en, &task.title_ko),
        std::tuple("description", &task.description_en, &task.description_ko)}) {
    const auto found = texts.is_object() ? texts.find(key) : texts.end();
    if (!texts.is_object() || found == texts.end())
      return input_error(std::string("The key ") + key + " is missing.", where);
    LUTHIER_TRY(*en, json_string(*found, "en", where + ": " + key));
    LUTHIER_TRY(*ko, json_string(*found, "ko", where + ": " + key));
  }
  return task;
}

Result<fs::path> teaching_folder() {
  LUTHIER_TRY(const fs::path resources, find_resources());
  return resources / "teaching";
}

}  // namespace

Result<fs::path> find_resources() {
  if (const char* named = std::getenv("LUTHIER_RESOURCES"); named && *named) {
    if (is_folder(fs::path(named) / "teaching")) return fs::absolute(named);
    return input_error(
        "There is no teaching model in this folder.", std::string(named) + " (LUTHIER_RESOURCES)",
        "Name the folder `resources` that holds `teaching`, or unset LUTHIER_RESOURCES.");
  }
  std::error_code failed;
  const fs::path executable = fs::read_symlink("/proc/self/exe", failed);
  const fs::path here = failed ? fs::current_path(failed) : executable.parent_path();
  std::vector<fs::path> candidates = {here / "resources",
                                      here.parent_path() / "share" / "luthier" / "resources"};
  // build/bin and build/tests of a source tree.
  for (fs::path above = here.parent_path(); above.has_relative_path() && candidates.size() < 5;
       above = above.parent_path())
    candidates.push_back(above / "resources");
  for (const fs::path& candidate : candidates) {
    if (is_folder(candidate / "teaching")) return candidate;
  }
  return input_error(
      "The teaching model was not found beside the program nor in ../share/luthier/resources.",
      here.string(), "Set LUTHIER_RESOURCES to the folder `resources` of Luthier.");
}

Result<fs::path> teaching_base() {
  LUTHIER_TRY(const fs::path folder, teaching_folder());
  if (!is_folder(folder / "base"))
    return input_error("The teaching model is missing.", (folder / "base").string(),
                       "Make it as docs/teaching-model.md says.");
  return folder / "base";
}

Result<std::vector<TeachingTask>> teaching_tasks() {
  std::vector<TeachingTask> tasks;
  for (const char* name : kTasks) {
    LUTHIER_TRY(TeachingTask task, teaching_task(name));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Result<TeachingTask> teaching_task(const std::string& name) {
  if (std::find(kTasks.begin(), kTasks.end(), name) == kTasks.end()) {
    std::string known;
    for (const char* task : kTasks) known += (known.empty() ? "" : ", ") + std::string(task);
    return input_error("There is no teaching task \"" + name + "\".", {},
                       "Known tasks: " + known + ".");
  }
  LUTHIER_TRY(const fs::path folder, teaching_folder());
  return read_task(folder / "tasks" / name, name);
}

Result<Recipe> teaching_recipe(const TeachingTask& task, const fs::path& output_dir) {
  LUTHIER_TRY(const fs::path base, teaching_base());
  LUTHIER_TRY(Recipe recipe, read_recipe(task.recipe));
  recipe.model = base.string();
  recipe.dataset = {task.train.string()};
  recipe.output_dir = output_dir.string();
  return recipe;
}

}  // namespace luthier
