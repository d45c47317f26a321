// SPDX-License-Identifier: GPL-3.0-or-later
// What the window asks about the rows of a recipe beside the session's own questions: with the
// model's tokenizer, and without a tensor. Called on a thread that may wait.
#pragma once

#include <memory>

#include "engine/config/recipe.h"
#include "engine/data/tools/dataset_statistics.h"

namespace luthier {

/// Of the recipe's training data; tokens by its model, where it names one that can be read.
Result<DatasetStatistics> recipe_statistics(const Recipe& recipe, const Dataset& dataset,
                                            const RowProgress& progress);

}  // namespace luthier
