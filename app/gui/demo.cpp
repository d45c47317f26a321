// SPDX-License-Identifier: GPL-3.0-or-later
// See the header.
#include "app/gui/demo.h"

#include <QDir>
#include <QFileInfo>

#include "engine/teaching/teaching.h"
#include "ui/format.h"
#include "ui/main_window.h"

namespace luthier {

Status open_demo(MainWindow& window, std::size_t task, const QString& runs, int steps) {
  LUTHIER_TRY(const auto base, teaching_base());
  LUTHIER_TRY(const auto tasks, teaching_tasks());
  if (tasks.empty())
    return input_error("No teaching task is installed.", "resources/teaching/tasks",
                       "Install the program again.");
  const TeachingTask& chosen = tasks[std::min(task, tasks.size() - 1)];
  Workspace& workspace = window.workspace();
  const QString folder =
      workspace.free_run_folder(QDir(runs).filePath(QString::fromStdString(chosen.name)));
  LUTHIER_TRY(Recipe recipe, teaching_recipe(chosen, to_path(folder)));
  // Held-out rows to ask and compare by; the recipe decides whether they are evaluated on.
  if (recipe.eval_dataset.empty()) recipe.eval_dataset = {chosen.heldout.string()};
  if (steps > 0) recipe.training.max_steps = steps;
  workspace.replace_recipe(recipe);
  if (!workspace.model() || workspace.model()->summary.folder != base)
    workspace.load_model(path_text(base));
  return {};
}

Status open_argument(MainWindow& window, const QString& path) {
  Workspace& workspace = window.workspace();
  const QFileInfo info(path);
  if (info.isDir()) {
    workspace.load_model(info.absoluteFilePath());
    return {};
  }
  LUTHIER_CHECK(workspace.open_recipe(path));
  if (!workspace.recipe().model.empty())
    workspace.load_model(QString::fromStdString(workspace.recipe().model));
  window.show_page(PageId::Train);
  return {};
}

}  // namespace luthier
