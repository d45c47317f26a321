// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/start/teaching_start.h"

#include <QDir>

#include "ui/format.h"

namespace luthier {

Status set_up_task(Workspace& workspace, const TeachingTask& task, const QString& runs, int steps) {
  const QString folder =
      workspace.free_run_folder(QDir(runs).filePath(QString::fromStdString(task.name)));
  LUTHIER_TRY(Recipe recipe, teaching_recipe(task, to_path(folder)));
  // Held-out rows to ask and compare by; the recipe decides whether they are evaluated on.
  if (recipe.eval_dataset.empty()) recipe.eval_dataset = {task.heldout.string()};
  if (steps > 0) recipe.training.max_steps = steps;
  workspace.replace_recipe(recipe);
  return {};
}

Status open_task(Workspace& workspace, const TeachingTask& task, const QString& runs, int steps) {
  LUTHIER_TRY(const auto base, teaching_base());
  LUTHIER_CHECK(set_up_task(workspace, task, runs, steps));
  if (!workspace.model() || workspace.model()->summary.folder != base)
    workspace.load_model(path_text(base));
  return {};
}

}  // namespace luthier
