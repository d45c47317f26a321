// SPDX-License-Identifier: GPL-3.0-or-later
// A setting that several kinds have may have a range, choices, a default and a help of its own
// under one of them: the kind brings a field of the same key, label and type, and who checks, shows
// or helps asks for the field as the recipe's kinds have it.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe_field.h"

namespace luthier {

ChosenKinds chosen_kinds(const Recipe& recipe);

/// Fields that a kind has otherwise than the table's row of their key; each names its kind.
const std::vector<RecipeField>& fields_otherwise();

/// The table's field as these kinds have it.
const RecipeField& as_chosen(const RecipeField& field, const ChosenKinds& kinds);
/// The field of this dotted path as the recipe's kinds have it; null: no field has the path.
const FieldDescription* as_chosen(const std::string& key, const Recipe& recipe);

}  // namespace luthier
