// SPDX-License-Identifier: GPL-3.0-or-later
// The settings of which row comes when, beside training.shuffle: a mixture of several files by
// weights, earlier data replayed among the new, a course from easy to hard. What they come to is
// batches/row_order.h.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe_field.h"

namespace luthier {

std::vector<RecipeField> order_fields();
/// What of them cannot be together.
Status check_order(const Recipe& recipe);

/// What a run trains on: the file of given samples (rollouts.h), else the files of `dataset` and,
/// behind them, those of replay.dataset.
std::vector<std::string> training_files(const Recipe& recipe);
/// Whether a row may come twice within an epoch.
bool order_repeats(const Recipe& recipe);
/// mixture.weights as numbers; empty: none are given.
std::vector<double> mixture_weights(const Recipe& recipe);

}  // namespace luthier
