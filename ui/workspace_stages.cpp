// SPDX-License-Identifier: GPL-3.0-or-later
// The workspace's recipe of stages: the form shows one of them at a time, over the first one's
// model, and what is changed there is that stage's.
#include "ui/workspace.h"

#include "engine/runs/stage_folder.h"
#include "ui/format.h"

namespace luthier {

void Workspace::set_staged(const StagedRecipe& staged, const QString& file) {
  staged_ = staged;
  stage_shown_ = 0;
  show_stage_recipe(file);
}

void Workspace::show_stage_recipe(const QString& file) {
  Recipe recipe = staged_->stages[stage_shown_].recipe;
  recipe.output_dir = staged_->output_dir;
  recipe.model = staged_->stages.front().recipe.model;
  show_recipe(recipe, file);
  emit stages_changed();
}

/// What the form holds goes into the stage that it shows; where a later stage starts is not its
/// own.
std::optional<StagedRecipe> Workspace::staged() const {
  if (!staged_) return std::nullopt;
  StagedRecipe staged = *staged_;
  staged.output_dir = recipe_.output_dir;
  Recipe recipe = recipe_;
  recipe.output_dir.clear();
  if (stage_shown_ > 0) {
    const Recipe usual;
    recipe.model = usual.model;
    recipe.init = usual.init;
    recipe.adapter.init_from = usual.adapter.init_from;
  }
  staged.stages[stage_shown_].recipe = std::move(recipe);
  return staged;
}

void Workspace::show_stage(std::size_t index) {
  if (!staged_ || index >= staged_->stages.size() || index == stage_shown_ || refuse_faults())
    return;
  staged_ = staged();
  stage_shown_ = index;
  show_stage_recipe(recipe_file_);
}

std::vector<StageShown> Workspace::stages() const {
  const bool runs = stage_ && run_ && !run_->ended;
  std::vector<std::string> names;
  if (staged_ && !runs) {
    for (const RecipeStage& stage : staged_->stages) names.push_back(stage.name);
  } else if (stage_) {
    names = stage_->names;
  }
  const bool of_run = stage_ && stage_->names == names;
  const auto state_of = [&](std::size_t index) {
    if (!of_run || index > stage_->index) return StageShown::State::Waiting;
    const bool finished = run_ && run_->ended && run_->end_state == "finished";
    if (index < stage_->index || finished) return StageShown::State::Done;
    return runs ? StageShown::State::Running : StageShown::State::Waiting;
  };
  std::vector<StageShown> shown;
  for (std::size_t i = 0; i < names.size(); ++i) {
    shown.push_back({QString::fromStdString(names[i]), state_of(i), staged_ && i == stage_shown_,
                     staged_ && i < staged_->stages.size()});
  }
  return shown;
}

bool Workspace::launch_staged(const std::optional<std::filesystem::path>& resume) {
  if (!staged_) return false;
  launching_ = true;
  std::filesystem::path program;
  for (const RecipeStage& stage : staged_->stages)
    if (program.empty()) program = program_for(stage.recipe);
  if (!launch_elsewhere(staged_recipe_to_yaml(*staged_), resume, program))
    session().launch_stages(*staged_, resume, program);
  return true;
}

bool Workspace::launch_stages(const StagedRecipe& staged) {
  if (launching_ || device_lost_ || session().has_run() || !can_launch(state())) return false;
  launching_ = true;
  stage_.reset();
  session().launch_stages(staged);
  return true;
}

bool Workspace::resume_stages(const QString& folder) {
  const std::filesystem::path given = to_path(folder);
  const std::optional<std::filesystem::path> around =
      is_stage_folder(given) ? std::optional(given) : stages_around(given);
  if (!around) return false;
  const auto staged = read_staged_recipe(*around / "recipe.yaml");
  if (!staged) {
    emit launch_refused(staged.error());
    return true;
  }
  if (!*staged) return false;
  // The run's own recipe.yaml is no file to save changes to.
  set_staged(**staged, {});
  launch_staged(*around);
  return true;
}

}  // namespace luthier
