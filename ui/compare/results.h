// SPDX-License-Identifier: GPL-3.0-or-later
// What can be put beside the base: the results of runs next to the recipe's own.
#pragma once

#include <QStringList>

#include "engine/config/recipe.h"

namespace luthier {

/// Result folders (adapters and whole checkpoints) of the runs that lie beside the recipe's run
/// folder, newest first.
QStringList finished_results(const Recipe& recipe);

/// Of those the ones that score answers.
QStringList reward_results(const Recipe& recipe);

}  // namespace luthier
