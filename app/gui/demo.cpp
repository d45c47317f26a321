// SPDX-License-Identifier: GPL-3.0-or-later
// See the header.
#include "app/gui/demo.h"

#include <QFileInfo>

#include "ui/format.h"
#include "ui/main_window.h"
#include "ui/start/teaching_start.h"

namespace luthier {

Status open_demo(MainWindow& window, std::size_t task, const QString& runs, int steps) {
  LUTHIER_TRY(const auto tasks, teaching_tasks());
  if (tasks.empty())
    return input_error("No teaching task is installed.", "resources/teaching/tasks",
                       "Install the program again.");
  return open_task(window.workspace(), tasks[std::min(task, tasks.size() - 1)], runs, steps);
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
