// SPDX-License-Identifier: GPL-3.0-or-later
// Under which heading a setting stands in the form, and where: what belongs to the objective stands
// together, and so does what belongs to the method, whichever kind brought it and wherever the
// engine's table lists it.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe.h"

namespace luthier {

/// The heading's English word: by the kinds that have the setting, else by its key.
std::string form_group(const FieldDescription& field);

/// recipe_fields(), group by group; inside of a group their order stays.
const std::vector<FieldDescription>& form_fields();

}  // namespace luthier
