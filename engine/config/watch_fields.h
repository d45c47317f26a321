// SPDX-License-Identifier: GPL-3.0-or-later
// The settings of what a run is watched by: which checkpoint is the best and when to stop early (as
// transformers' Trainer and its EarlyStoppingCallback call it), sample questions that are answered
// as it goes, and the probe of what the model could do before.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe_field.h"

namespace luthier {

std::vector<RecipeField> watch_fields();
/// What of them cannot be together.
Status check_watch(const Recipe& recipe);

/// Where the sample questions are read from: samples.dataset, else eval_dataset, else dataset;
/// empty: none are asked.
std::vector<std::string> sample_files(const Recipe& recipe);
/// Whether the recipe asks which checkpoint is the best.
bool seeks_best(const Recipe& recipe);

}  // namespace luthier
