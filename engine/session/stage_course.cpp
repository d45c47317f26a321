// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/stage_course.h"

#include "engine/config/quantization_fields.h"
#include "engine/config/recipe_field.h"
#include "engine/methods/adapter.h"
#include "engine/methods/method.h"
#include "engine/models/model_summary.h"
#include "engine/objectives/objective.h"
#include "engine/session/task_evaluation.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

Error stage_fault(std::size_t index, const std::string& key, const std::string& what,
                  const std::string& hint) {
  return input_error(what, "recipe: " + stage_prefix(index) + key, hint);
}

std::string quoted_name(const std::string& name) { return "\"" + name + "\""; }

/// Settings of an adapter that goes on are its own. Compared is what the recipes say: a folder that
/// the first stage goes on from has settings that none of them names.
Status check_same_adapter(const RecipeStage& before, const RecipeStage& now, std::size_t index) {
  const std::string name = quoted_name(before.name);
  for (const FieldDifference& each : recipe_differences(before.recipe, now.recipe)) {
    if (!each.key.starts_with("adapter.") || each.key == "adapter.init_from") continue;
    return stage_fault(index, each.key,
                       "This is " + each.right + ", and the adapter of " + name +
                           " that goes on learning here has " + each.left + ".",
                       "Give both stages the same adapter, or write merge: true in this one: a new "
                       "adapter then begins over the merged checkpoint.");
  }
  return {};
}

/// A base that was drawn is drawn again for an adapter that goes on.
Status check_same_draw(const StageStep& before, const Recipe& now, std::size_t index) {
  if (before.foreseen.init != "random" || now.training.seed == before.foreseen.training.seed)
    return {};
  return stage_fault(index, "training.seed",
                     "The base starts at random by training.seed, and the adapter of " +
                         quoted_name(before.name) + " goes on over the same one.",
                     "Give both stages the same seed.");
}

/// Whether the last stage's adapter can go into the base that it was trained over.
Status check_merge(const StageStep& before, const Method& method, std::size_t index) {
  const std::string hint =
      "Let the stage go on with the same strategy, or train the stages as runs of their own.";
  const auto refuse = [&](const std::string& why) {
    return stage_fault(index, "strategy",
                       "This stage starts from the merged result of " + quoted_name(before.name) +
                           ", and that cannot be merged: " + why,
                       hint);
  };
  if (method.unmergeable) return refuse(method.unmergeable);
  if (before.foreseen.init == "random")
    return refuse("its base started at random and is written nowhere.");
  const auto model = summarize_model(before.foreseen.model);
  const bool packed = !quantization_settings(before.foreseen).is_null() ||
                      (model && !model->quantization.is_null());
  if (packed)
    return refuse(
        "its base is quantized, and the merged weights would not be the ones that it "
        "learned over.");
  return {};
}

/// An adapter with a head of scores (reward, prm) answers nothing and merges into nothing: what
/// learns from answers cannot go on from it.
Status check_scores(const StageStep& before, const StageStep& now, std::size_t index) {
  if (now.start == StageStart::Checkpoint) return {};
  const auto last = make_objective(before.foreseen), next = make_objective(now.foreseen);
  if (!last || !next || (*last)->score_numbers() == 0) return {};  // a refusal comes with its turn
  const bool same = (*last)->score_numbers() == (*next)->score_numbers();
  if (same && now.start != StageStart::Merged) return {};
  return stage_fault(
      index, "objective",
      quoted_name(before.name) +
          " leaves an adapter with a head of scores, which this stage cannot start from.",
      "Put the stage that learns scores at the end.");
}

/// What is known of a later stage.
Result<StageStep> follow(const StageStep& before, const RecipeStage& said_before,
                         const RecipeStage& stage, std::size_t index) {
  LUTHIER_TRY(const Method* last, find_method(before.foreseen.strategy));
  const Recipe& said = stage.recipe;
  StageStep step{stage.name, StageStart::Checkpoint, said};
  step.foreseen.model = before.foreseen.model;
  if (!last->hangs_adapter()) {
    if (stage.merge)
      return stage_fault(index, "merge",
                         quoted_name(before.name) +
                             " trains the base's own weights and leaves no "
                             "adapter to merge.",
                         "Take it out: this stage starts from that checkpoint.");
    return step;
  }
  if (before.foreseen.strategy == said.strategy && !stage.merge) {
    LUTHIER_CHECK(check_same_adapter(said_before, stage, index));
    LUTHIER_CHECK(check_same_draw(before, said, index));
    step.start = StageStart::Adapter;
    step.foreseen.init = before.foreseen.init;
    step.foreseen.adapter = before.foreseen.adapter;
    return step;
  }
  LUTHIER_CHECK(check_merge(before, *last, index));
  step.start = StageStart::Merged;
  return step;
}

/// The folder of the checkpoint that a stage trains over.
fs::path model_of(const std::vector<StageStep>& steps, std::size_t index,
                  const StagedRecipe& staged, const fs::path& folder) {
  while (index > 0 && steps[index].start == StageStart::Adapter) --index;
  if (index == 0) return staged.stages.front().recipe.model;
  const std::string before = stage_folder_name(index - 1, staged.stages[index - 1]);
  if (steps[index].start == StageStart::Merged) return folder / "stages" / (before + "-merged");
  return folder / "stages" / before / "model";
}

}  // namespace

std::string stage_start_name(StageStart start) {
  switch (start) {
    case StageStart::Base: return "base";
    case StageStart::Adapter: return "adapter";
    case StageStart::Merged: return "merged";
    case StageStart::Checkpoint: return "checkpoint";
  }
  return {};
}

Result<std::vector<StageStep>> plan_course(const StagedRecipe& staged) {
  std::vector<StageStep> steps;
  for (std::size_t i = 0; i < staged.stages.size(); ++i) {
    const RecipeStage& stage = staged.stages[i];
    if (i == 0) {
      steps.push_back({stage.name, StageStart::Base, stage.recipe});
      // A folder that the first one goes on from says what its adapter is.
      if (!stage.recipe.adapter.init_from.empty()) {
        auto settings = settings_to_train(stage.recipe);
        if (!settings) return in_stage(settings.error(), i);
        steps.back().foreseen.adapter = settings.take();
      }
    } else {
      LUTHIER_TRY(StageStep step, follow(steps.back(), staged.stages[i - 1], stage, i));
      step.foreseen.adapter.init_from.clear();
      LUTHIER_CHECK(check_scores(steps.back(), step, i));
      steps.push_back(std::move(step));
    }
    Recipe& foreseen = steps.back().foreseen;
    foreseen.output_dir = staged.output_dir;
    if (const Status fine = check_recipe(foreseen); !fine) return in_stage(fine.error(), i);
    if (!staged.task_table) continue;
    if (const Status fine = check_task(foreseen); !fine) return in_stage(fine.error(), i);
  }
  return steps;
}

Recipe stage_recipe(const std::vector<StageStep>& steps, std::size_t index,
                    const StagedRecipe& staged, const StageFolder& folder) {
  Recipe recipe = staged.stages[index].recipe;
  recipe.output_dir = folder.run_path(index).string();
  if (index == 0) return recipe;
  recipe.model = model_of(steps, index, staged, folder.path()).string();
  recipe.init = steps[index].foreseen.init;
  if (steps[index].start == StageStart::Adapter)
    recipe.adapter.init_from = (folder.run_path(index - 1) / "adapter").string();
  return recipe;
}

std::vector<StageRecord> stage_records(const std::vector<StageStep>& steps,
                                       const StagedRecipe& staged, const fs::path& folder) {
  std::vector<StageRecord> records;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    records.push_back({steps[i].name, "stages/" + stage_folder_name(i, staged.stages[i]),
                       stage_start_name(steps[i].start),
                       model_of(steps, i, staged, folder).string()});
  }
  return records;
}

Error in_stage(Error error, std::size_t index) {
  const std::string recipe = "recipe: ";
  if (error.code == ErrorCode::Interrupted || error.where.starts_with("stages.") ||
      error.where.starts_with(recipe + "stages."))
    return error;
  const std::size_t from = error.where.starts_with(recipe) ? recipe.size() : 0;
  const std::string field = error.where.substr(from, error.where.find_first_of(": ", from) - from);
  if (exact_field(field)) {
    error.where.insert(from, stage_prefix(index));
  } else {
    const std::string stage = "stages." + std::to_string(index + 1);
    error.where = error.where.empty() ? stage : stage + ": " + error.where;
  }
  return error;
}

}  // namespace luthier
