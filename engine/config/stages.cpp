// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/stages.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "engine/config/recipe_reading.h"
#include "engine/io/files.h"
#include "engine/io/yaml.h"

namespace luthier {
namespace {

constexpr std::int64_t kMostTaskAnswers = 100'000;
constexpr std::size_t kMostStages = 100, kLongestStageName = 40;
const std::vector<std::string> kOfTheFirst{"model", "init", "adapter.init_from"};

/// What a file says of one stage.
struct WrittenStage {
  std::string name;
  bool named = false, merge = false;
  std::vector<Written> own, over;
};

Status check_name(const std::string& name, const std::string& where) {
  const bool fits =
      !name.empty() && name.size() <= kLongestStageName && name.front() != '.' &&
      std::all_of(name.begin(), name.end(), [](unsigned char letter) {
        return std::isalnum(letter) || letter == '-' || letter == '_' || letter == '.';
      });
  if (fits) return {};
  return input_error("\"" + name.substr(0, 100) + "\" cannot be a stage's name.", where,
                     "It names a folder: 40 letters, digits, -, _ and . at most.");
}

bool is_of_the_first(const std::string& key) {
  return std::find(kOfTheFirst.begin(), kOfTheFirst.end(), key) != kOfTheFirst.end();
}

/// A key that a stage cannot have for itself.
Status check_own(const Written& own, std::size_t index) {
  const std::string& key = own.field->about.key;
  if (key == "output_dir")
    return input_error("A stage is written into the folder of the whole run.", own.where,
                       "Name output_dir once, outside stages.");
  if (index > 0 && is_of_the_first(key))
    return input_error("A stage starts from the result of the one before it.", own.where,
                       "Take it out, or run what follows as a recipe of its own.");
  return {};
}

Result<WrittenStage> written_stage(const Json& json, std::size_t index, const std::string& where) {
  WrittenStage stage;
  const std::string at = where + ": " + stage_prefix(index);
  if (json.is_null()) return stage;
  if (!json.is_object())
    return input_error("a stage must be a map of settings (key: value).",
                       where + ": stages." + std::to_string(index + 1));
  Json settings = json;
  if (const auto name = settings.find("name"); name != settings.end()) {
    if (!name->is_string()) return input_error("must be text.", at + "name");
    stage.name = name->get<std::string>();
    stage.named = true;
    LUTHIER_CHECK(check_name(stage.name, at + "name"));
    settings.erase("name");
  }
  if (const auto merge = settings.find("merge"); merge != settings.end()) {
    if (!merge->is_boolean()) return input_error("must be true or false.", at + "merge");
    stage.merge = merge->get<bool>();
    if (stage.merge && index == 0)
      return input_error("Before the first stage there is no adapter to merge.", at + "merge",
                         "Take it out, or merge with `luthier-cli merge` and name the result as "
                         "the model.");
    settings.erase("merge");
  }
  if (settings.contains("stages"))
    return input_error("A stage has no stages of its own.", at + "stages",
                       "Write them into the one list.");
  LUTHIER_TRY(stage.own, written_in(settings, at));
  for (const Written& own : stage.own) LUTHIER_CHECK(check_own(own, index));
  return stage;
}

/// Which stage "2" or "dpo" means.
Result<std::size_t> find_stage(const std::vector<WrittenStage>& stages, const std::string& said,
                               const std::string& where) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < stages.size(); ++i)
    if (stages[i].name == said || std::to_string(i + 1) == said) found.push_back(i);
  if (found.size() == 1) return found.front();
  if (found.size() > 1)
    return input_error("\"" + said + "\" names more than one stage.", where,
                       "Write the stage's number, as in --set stages.2.training.seed=1.");
  return input_error("There is no stage \"" + said + "\".", where,
                     "The recipe has " + std::to_string(stages.size()) + " stages.");
}

/// Overrides into the stages that they are for.
Status add_overrides(std::vector<WrittenStage>& stages, std::vector<Written>& shared,
                     const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    LUTHIER_TRY(Override given, split_override(text));
    const std::string where = "--set " + given.key;
    if (!given.key.starts_with("stages.")) {
      LUTHIER_TRY(Written over, written_by(given));
      over.shared = true;
      for (WrittenStage& stage : stages) stage.over.push_back(over);
      shared.push_back(std::move(over));
      continue;
    }
    const std::size_t name = given.key.find('.') + 1, dot = given.key.find('.', name);
    if (dot == std::string::npos)
      return input_error("\"" + given.key + "\" names no setting.", where,
                         "Write it as in --set stages.2.training.seed=1.");
    LUTHIER_TRY(const std::size_t index,
                find_stage(stages, given.key.substr(name, dot - name), where));
    LUTHIER_TRY(Written over,
                written_by({given.key.substr(dot + 1), given.value}, stage_prefix(index)));
    LUTHIER_CHECK(check_own(over, index));
    stages[index].over.push_back(std::move(over));
  }
  return {};
}

/// What is said for all stages and none of them has is a mistake, as it is in a single recipe.
Status check_shared(const std::vector<Written>& shared, const StagedRecipe& staged) {
  for (const Written& each : shared) {
    const bool taken =
        std::any_of(staged.stages.begin(), staged.stages.end(),
                    [&](const RecipeStage& stage) { return may_carry(*each.field, stage.recipe); });
    if (!taken) return not_of_kind(each.field->about, staged.stages.front().recipe, each.where);
  }
  return {};
}

/// A later stage's settings of where it starts are at their defaults.
void leave_to_course(Recipe& recipe) {
  const Recipe usual;
  recipe.model = usual.model;
  recipe.init = usual.init;
  recipe.adapter.init_from = usual.adapter.init_from;
}

/// Stages that the file does not name are called by what is learned in them.
void name_stages(std::vector<WrittenStage>& stages, const std::vector<Written>& shared) {
  const auto objective_in = [](const std::vector<Written>& all, std::string usual) {
    for (const Written& each : all)
      if (each.field->about.key == "objective" && each.value.is_string())
        usual = each.value.get<std::string>();
    return usual;
  };
  const std::string usual = objective_in(shared, Recipe().objective);
  const auto taken = [&](const std::string& name) {
    return std::any_of(stages.begin(), stages.end(),
                       [&](const WrittenStage& stage) { return stage.name == name; });
  };
  for (WrittenStage& stage : stages) {
    if (stage.named) continue;
    const std::string name = objective_in(stage.own, usual);
    std::string next = name;
    for (int number = 2; taken(next); ++number) next = name + "-" + std::to_string(number);
    stage.name = next;
  }
}

/// What the file says of the table of tasks, which it loses.
Result<std::optional<TaskTableSettings>> take_task_table(Json& document, const std::string& at) {
  constexpr const char* kKey = "task_table";
  const auto found = document.find(kKey);
  if (found == document.end()) return std::optional<TaskTableSettings>();
  const Json said = *found;
  document.erase(kKey);
  const std::string where = at + kKey;
  if (said.is_null() || said == Json(false)) return std::optional<TaskTableSettings>();
  TaskTableSettings settings;
  if (said == Json(true)) return std::optional(settings);
  if (!said.is_object())
    return input_error("must be true, false or a map of settings.", where,
                       "Write task_table: true, or task_table: {answers: 50}.");
  for (const auto& [key, value] : said.items()) {
    if (key != "answers") return input_error("is unknown.", where + "." + key, "Known is answers.");
    if (!value.is_number_integer() || value.get<std::int64_t>() < 0 ||
        value.get<std::int64_t>() > kMostTaskAnswers)
      return input_error("must be a whole number from 0 to 100000.", where + ".answers");
    settings.answers = value.get<std::int64_t>();
  }
  return std::optional(settings);
}

Result<std::optional<StagedRecipe>> staged_of(const std::string& yaml, const std::string& where,
                                              const std::vector<std::string>& overrides,
                                              const std::filesystem::path& beside) {
  LUTHIER_TRY(Json document, parse_yaml(yaml, where));
  if (!document.is_object() || !document.contains("stages")) return std::optional<StagedRecipe>();
  const Json list = document["stages"];
  document.erase("stages");
  const std::string at = where + ": ";
  if (!list.is_array() || list.empty())
    return input_error("must be a list of recipes.", at + "stages",
                       "Write \"- objective: sft\" under it, a dash for each stage.");
  if (list.size() > kMostStages)
    return input_error("There are more than 100 stages.", at + "stages");
  LUTHIER_TRY(const auto task_table, take_task_table(document, at));
  LUTHIER_TRY(std::vector<Written> shared, written_in(document, at));
  for (Written& each : shared) each.shared = true;
  std::vector<WrittenStage> stages;
  for (std::size_t i = 0; i < list.size(); ++i) {
    LUTHIER_TRY(WrittenStage stage, written_stage(list[i], i, where));
    stages.push_back(std::move(stage));
  }
  name_stages(stages, shared);
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const bool twice = std::any_of(
        stages.begin(), stages.begin() + static_cast<std::ptrdiff_t>(i),
        [&](const WrittenStage& before) { return before.named && before.name == stages[i].name; });
    if (stages[i].named && twice)
      return input_error("\"" + stages[i].name + "\" is the name of another stage.",
                         at + stage_prefix(i) + "name");
  }
  std::vector<Written> for_all = shared;
  LUTHIER_CHECK(add_overrides(stages, for_all, overrides));
  StagedRecipe staged;
  staged.task_table = task_table;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    WrittenRecipe written{shared, std::move(stages[i].over), at + stage_prefix(i), beside};
    written.file.insert(written.file.end(), stages[i].own.begin(), stages[i].own.end());
    LUTHIER_TRY(Recipe recipe, recipe_from(written));
    if (i == 0) staged.output_dir = recipe.output_dir;
    recipe.output_dir.clear();
    if (i > 0) leave_to_course(recipe);
    staged.stages.push_back({stages[i].name, stages[i].merge, std::move(recipe)});
  }
  LUTHIER_CHECK(check_shared(for_all, staged));
  return std::optional<StagedRecipe>(std::move(staged));
}

}  // namespace

Result<std::optional<StagedRecipe>> read_staged_recipe(const std::filesystem::path& file,
                                                       const std::vector<std::string>& overrides) {
  LUTHIER_TRY(const std::string yaml, read_file(file, kLargestRecipe));
  const std::filesystem::path folder = file.parent_path();
  return staged_of(yaml, file.string(), overrides, folder.empty() ? "." : folder);
}

Result<std::optional<StagedRecipe>> parse_staged_recipe(const std::string& yaml,
                                                        const std::string& where,
                                                        const std::vector<std::string>& overrides) {
  return staged_of(yaml, where, overrides, {});
}

std::string staged_recipe_to_yaml(const StagedRecipe& staged) {
  std::string text = "output_dir: " + yaml_text(staged.output_dir) + "\n";
  if (staged.task_table)
    text += "task_table: {answers: " + std::to_string(staged.task_table->answers) + "}\n";
  text += "stages:\n";
  const auto say = [&](const char* key, const char* value) {
    text += std::string("    ") + key + ": " + value + "\n";
  };
  for (std::size_t i = 0; i < staged.stages.size(); ++i) {
    const RecipeStage& stage = staged.stages[i];
    std::vector<std::string> left_out{"output_dir"};
    if (i > 0) left_out.insert(left_out.end(), kOfTheFirst.begin(), kOfTheFirst.end());
    text += "  - name: " + yaml_text(stage.name) + "\n";
    if (stage.merge) say("merge", "true");
    text += settings_to_yaml(stage.recipe, "    ", left_out);
  }
  return text;
}

std::string stage_folder_name(std::size_t index, const RecipeStage& stage) {
  return std::to_string(index + 1) + "-" + stage.name;
}

std::string stage_prefix(std::size_t index) { return "stages." + std::to_string(index + 1) + "."; }

}  // namespace luthier
