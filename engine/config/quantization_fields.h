// SPDX-License-Identifier: GPL-3.0-or-later
// The recipe's `quantization` section: the words of transformers' BitsAndBytesConfig. Its choices
// are the kinds of packed weights that there are (io/weight_kinds.h).
#pragma once

#include <vector>

#include "engine/config/recipe_field.h"

namespace luthier {

/// Of every method that hangs something on the base; one that trains the base's own weights has no
/// such section.
std::vector<RecipeField> quantization_fields();

/// The section as a checkpoint's quantization_config would say it; null where it asks for nothing.
Json quantization_settings(const Recipe& recipe);

/// Settings of the section that contradict each other.
Status check_quantization(const Recipe& recipe);

}  // namespace luthier
