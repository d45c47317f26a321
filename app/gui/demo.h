// SPDX-License-Identifier: GPL-3.0-or-later
// Opening things in the window: the teaching demo, a model folder, a recipe.
#pragma once

#include <QString>

#include "engine/base/result.h"

namespace luthier {

class MainWindow;

/// The teaching model loads, and the task's recipe stands ready to launch, writing to a new folder
/// below `runs`. `task` counts from 0.
Status open_demo(MainWindow& window, std::size_t task, const QString& runs, int steps);

/// A folder is loaded as a model; a file is read as a recipe, and its model loads.
Status open_argument(MainWindow& window, const QString& path);

}  // namespace luthier
