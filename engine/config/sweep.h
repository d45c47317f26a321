// SPDX-License-Identifier: GPL-3.0-or-later
// A few values of a few settings, as one recipe for each combination of them.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe.h"

namespace luthier {

struct SweptField {
  std::string key;                  ///< as set_field takes it
  std::vector<std::string> values;  ///< at least one
};

struct SweptRecipe {
  Recipe recipe;
  std::string label;  ///< what it is called among the others: "r 4, learning_rate 1e-4"
};

/// "training.learning_rate=1e-4,2e-4": an Input error where there is no "=" or no value. Values
/// that hold commas themselves are written with ";" between them.
Result<SweptField> parse_swept_field(const std::string& text);

/// All combinations, the last field's values next to one another. Each recipe's output_dir is the
/// base's with a number behind it. Input errors name the field and the value that cannot be used;
/// more than `most` runs are refused.
Result<std::vector<SweptRecipe>> sweep_recipes(const Recipe& base,
                                               const std::vector<SweptField>& fields,
                                               std::size_t most = 200);

}  // namespace luthier
