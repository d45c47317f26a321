// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/stage_folder.h"

#include <algorithm>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/probe.h"
#include "engine/io/system_error.h"
#include "engine/runs/changed_settings.h"
#include "engine/runs/named_run.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/run_lock.h"
#include "engine/runs/task_table.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStagesFile = "stages.json";
constexpr const char* kStagesFolder = "stages";
constexpr std::uint64_t kMostStageBytes = 16u << 20;

Error used_stage_folder(const std::string& what, const fs::path& folder) {
  return input_error(what, folder.string(),
                     "Go on from it with --resume, choose another output_dir, or remove the "
                     "folder.");
}

/// What a start would replace is a leftover: a run of stages of which nothing was saved.
Status check_leftover(const fs::path& folder) {
  std::error_code problem;
  if (!fs::exists(folder, problem)) return {};
  if (!fs::is_directory(folder, problem))
    return input_error("There is a file in the place of the run's folder.", folder.string(),
                       "Choose another output_dir.");
  const std::vector<std::string> names = names_in(folder);
  if (names.empty()) return {};
  if (!is_stage_folder(folder))
    return input_error("The folder is not empty and holds no run of stages (no stages.json).",
                       folder.string(), "Choose another output_dir, or empty it.");
  for (const std::string& name : names) {
    if (name == kStagesFile || name == kStagesFolder || name == "recipe.yaml" ||
        name == kTaskTableFile || name == kRunLockName ||
        (name.starts_with('.') && name.find(".partial") != name.npos))
      continue;
    return input_error("The folder holds \"" + name + "\", which is not a run's.", folder.string(),
                       "Choose another output_dir, or move it away.");
  }
  for (const std::string& name : names_in(folder / kStagesFolder)) {
    const fs::path stage = folder / kStagesFolder / name;
    for (const char* result : {"adapter", "model", "config.json"})
      if (is_there(stage / result))
        return used_stage_folder("The folder holds the result of a stage, \"" + name + "\".",
                                 folder);
    const auto run = RunFolder::open(stage);
    if (run && !run->checkpoints().empty())
      return used_stage_folder("The folder holds a run of stages with a checkpoint of \"" + name +
                                   "\" at step " + std::to_string(run->checkpoints().back().step) +
                                   ".",
                               folder);
  }
  return {};
}

/// The recipe of a resume is the one that the run was started with.
Status check_same_stages(const StagedRecipe& now, const fs::path& folder) {
  const fs::path file = folder / "recipe.yaml";
  LUTHIER_TRY(const std::string yaml, read_file(file, kMostStageBytes));
  LUTHIER_TRY(const auto recorded, parse_staged_recipe(yaml, file.string()));
  if (!recorded)
    return input_error("This is not the recipe of a run of stages.", file.string(),
                       "Start a new run in another output_dir.");
  std::string changes;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) changes += (changes.empty() ? "" : "; ") + text;
  };
  const auto said = [](const StagedRecipe& staged) {
    std::string names;
    for (const RecipeStage& stage : staged.stages)
      names += (names.empty() ? "" : ", ") + stage.name + (stage.merge ? " (merge)" : "");
    return names;
  };
  const auto table = [](const StagedRecipe& staged) -> std::string {
    if (!staged.task_table) return "false";
    return "{answers: " + std::to_string(staged.task_table->answers) + "}";
  };
  if (recorded->task_table != now.task_table)
    add("task_table was " + table(*recorded) + " and is now " + table(now));
  if (said(*recorded) != said(now))
    add("stages was " + said(*recorded) + " and is now " + said(now));
  for (std::size_t i = 0; i < std::min(recorded->stages.size(), now.stages.size()); ++i)
    add(changes_text(changed_settings(recorded->stages[i].recipe, now.stages[i].recipe),
                     stage_prefix(i)));
  if (changes.empty()) return {};
  return input_error("The run was started with other settings: " + changes + ".", folder.string(),
                     "Resume with the same settings, or start a new run in another output_dir.");
}

fs::path without_slash(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

std::vector<std::string> folder_names(const StagedRecipe& staged) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < staged.stages.size(); ++i)
    names.push_back(stage_folder_name(i, staged.stages[i]));
  return names;
}

}  // namespace

bool is_stage_folder(const fs::path& folder) { return is_there(folder / kStagesFile); }

Result<std::vector<StageRecord>> read_stage_records(const fs::path& folder) {
  const fs::path file = folder / kStagesFile;
  LUTHIER_TRY(const std::string text, read_file(file, kMostStageBytes));
  LUTHIER_TRY(const Json json, parse_json(text, file.string()));
  const std::string where = file.string() + ": stages";
  const auto list = json.is_object() ? json.find("stages") : json.end();
  if (!json.is_object() || list == json.end() || !list->is_array())
    return input_error("must be a list of stages.", where, "The file is no longer whole.");
  std::vector<StageRecord> records;
  for (const Json& each : *list) {
    if (!each.is_object()) return input_error("must be a list of stages.", where);
    StageRecord record;
    LUTHIER_TRY(record.name, json_string(each, "name", where));
    LUTHIER_TRY(record.folder, json_string(each, "folder", where));
    LUTHIER_TRY(record.start, json_string(each, "start", where, ""));
    LUTHIER_TRY(record.model, json_string(each, "model", where, ""));
    // The path comes from a file: it leads nowhere but into stages/.
    const fs::path place(record.folder);
    if (place.parent_path() != kStagesFolder || place.filename() == ".." ||
        place.filename() == "." || place.filename().empty())
      return input_error("\"" + record.folder + "\" is not a stage's folder.", where);
    records.push_back(std::move(record));
  }
  return records;
}

std::string stage_state(const fs::path& stage_run) {
  if (!is_there(stage_run)) return "waiting";
  const auto summary = summarize_run(stage_run);
  return summary ? run_state_name(summary->manifest.state) : "waiting";
}

std::optional<fs::path> stages_around(const fs::path& run) {
  const fs::path stage = without_slash(run), stages = stage.parent_path();
  if (stages.filename() != kStagesFolder || !is_stage_folder(stages.parent_path()))
    return std::nullopt;
  return stages.parent_path();
}

StagedRecipe stages_of_ranks(const StagedRecipe& staged, const std::optional<fs::path>& resume_run,
                             int ranks) {
  std::optional<StagedRecipe> recorded;
  std::int64_t had = 1;
  if (resume_run) {
    const auto yaml = read_file(*resume_run / "recipe.yaml", kMostStageBytes);
    auto parsed = yaml ? parse_staged_recipe(*yaml, "recipe.yaml")
                       : Result<std::optional<StagedRecipe>>(yaml.error());
    if (parsed) recorded = parsed.take();
    const auto about = read_json_file(*resume_run / kStagesFile);
    const auto ranks_then =
        about ? json_int(*about, "ranks", kStagesFile, 1) : Result<std::int64_t>(about.error());
    if (ranks_then) had = *ranks_then;
  }
  StagedRecipe all = staged;
  for (std::size_t i = 0; i < all.stages.size(); ++i) {
    std::int64_t& batches = all.stages[i].recipe.training.gradient_accumulation_steps;
    const std::int64_t own = batches,
                       there = recorded && i < recorded->stages.size()
                                   ? recorded->stages[i].recipe.training.gradient_accumulation_steps
                                   : 0;
    batches = there == own || there == own * had ? there : own * ranks;
  }
  return all;
}

fs::path StageFolder::run_path(std::size_t index) const {
  return path_ / kStagesFolder / names_[index];
}

fs::path StageFolder::merged_path(std::size_t index) const {
  return path_ / kStagesFolder / (names_[index] + "-merged");
}

Result<std::optional<StageFolder>> StageFolder::find(const StagedRecipe& staged,
                                                     const std::optional<fs::path>& resume_run) {
  if (!resume_run) {
    LUTHIER_CHECK(check_leftover(staged.output_dir));
    return std::optional<StageFolder>();
  }
  const fs::path& folder = *resume_run;
  if (!is_stage_folder(folder)) {
    if (const auto around = stages_around(folder))
      return input_error("This is one stage of a run of stages.", folder.string(),
                         "The whole run is " + around->string() + ".");
    if (is_there(folder / "run.json"))
      return input_error("This is a run of one recipe, and the recipe has stages.", folder.string(),
                         "Resume it with its own recipe.yaml.");
    LUTHIER_CHECK(check_named_run(folder, staged.output_dir));
    LUTHIER_CHECK(check_leftover(folder));
    return std::optional<StageFolder>();
  }
  StageFolder found;
  found.path_ = folder;
  found.names_ = folder_names(staged);
  LUTHIER_TRY(found.lock_, lock_run(folder));
  // Killed before its recipe stood, it has no stage either.
  if (!is_there(folder / "recipe.yaml") && !is_there(folder / kStagesFolder))
    return std::optional<StageFolder>();
  LUTHIER_CHECK(check_same_stages(staged, folder));
  return std::optional<StageFolder>(std::move(found));
}

Result<StageFolder> StageFolder::create(const StagedRecipe& staged, const fs::path& folder,
                                        const std::vector<StageRecord>& records, int ranks) {
  LUTHIER_CHECK(check_leftover(folder));
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) return system_error("The run's folder cannot be made", folder, problem.value());
  StageFolder made;
  made.path_ = folder;
  made.names_ = folder_names(staged);
  LUTHIER_TRY(made.lock_, lock_run(folder));
  for (const std::string& name : names_in(folder)) {
    if (name == kRunLockName) continue;
    fs::remove_all(folder / name, problem);
    if (problem)
      return system_error("A leftover of an earlier run cannot be removed", folder / name,
                          problem.value());
  }
  Json stages = Json::array();
  for (const StageRecord& record : records) {
    stages.push_back({{"name", record.name},
                      {"folder", record.folder},
                      {"start", record.start},
                      {"model", record.model}});
  }
  Json about{{"format_version", kRunFormatVersion},
             {"version", luthier_version()},
             {"stages", std::move(stages)}};
  if (ranks > 1) about["ranks"] = ranks;
  // First: it says whose the recipe.yaml is.
  LUTHIER_CHECK(write_file_atomically(folder / kStagesFile, about.dump(2) + "\n"));
  LUTHIER_CHECK(write_file_atomically(folder / "recipe.yaml", staged_recipe_to_yaml(staged)));
  fs::create_directories(folder / kStagesFolder, problem);
  if (problem) return system_error("The run's folder cannot be made", folder, problem.value());
  return made;
}

}  // namespace luthier
