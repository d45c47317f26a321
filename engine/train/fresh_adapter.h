// SPDX-License-Identifier: GPL-3.0-or-later
// The adapter that a recipe's run would start with, as a folder.
#pragma once

#include <filesystem>
#include <functional>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

/// Into `folder`, which exists. Loads the model; `go_on` false ends it (Interrupted). Input errors:
/// a method without an adapter, a recipe that goes on from a folder.
Status write_fresh_adapter(const Recipe& recipe, const std::filesystem::path& folder,
                           const std::function<bool()>& go_on = {});

}  // namespace luthier
