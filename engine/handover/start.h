// SPDX-License-Identifier: GPL-3.0-or-later
// What a run starts from, as the script takes it up: an adapter's folder, the tensors that train, a
// reference.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/handover/trainers.h"

namespace luthier::handover {

/// Refuses a method that PEFT or the trainer has otherwise.
Status check_method(const Recipe& recipe, const TrlTrainer& trainer);

/// The adapter that the run starts with, into FOLDER (which exists). An Input error where TRL would
/// not train all of it.
Status write_start(const Recipe& recipe, const TrlTrainer& trainer,
                   const std::filesystem::path& folder, const std::function<bool()>& go_on);

/// Beginnings of the names of the base's tensors that train; empty: all do.
Result<std::vector<std::string>> trained_names(const Recipe& recipe);
/// The shortest beginnings, whole parts of names, of those that train and of none that does not.
std::vector<std::string> beginnings_of(const std::vector<std::pair<std::string, bool>>& names);

/// The checkpoint that TRL must be given as its reference, "MODEL" for the base itself; empty: what
/// it takes by itself is this run's, or there is none.
Result<std::string> reference_of(const Recipe& recipe, const TrlTrainer& trainer);

}  // namespace luthier::handover
