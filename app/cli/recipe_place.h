// SPDX-License-Identifier: GPL-3.0-or-later
// Faults of a recipe by the name of its file, as they are told where a person gave one.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace luthier::cli {

/// "recipe: output_dir" as "runs/first.yaml: output_dir"; every other error as it is.
Error in_recipe_file(Error error, const std::string& file);
Status in_recipe_file(Status status, const std::string& file);

}  // namespace luthier::cli
