// SPDX-License-Identifier: GPL-3.0-or-later
// How a recipe's model is loaded: by whoever trains it, looks at it or hands it on.
#pragma once

#include "engine/config/quantization_fields.h"
#include "engine/data/media_limits.h"
#include "engine/models/loaded_model.h"

namespace luthier {

inline LoadOptions load_options(const Recipe& recipe) {
  LoadOptions options;
  options.device = recipe.training.device;
  options.dtype = recipe.training.dtype;
  options.random_weights = recipe.init == "random";
  options.seed = static_cast<std::uint64_t>(recipe.training.seed);
  options.pixels = media_limits(recipe);
  options.quantization = quantization_settings(recipe);
  return options;
}

}  // namespace luthier
