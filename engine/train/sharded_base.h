// SPDX-License-Identifier: GPL-3.0-or-later
// A run whose ranks keep a part each of the base's weights (models/sharded_layers.h): what of it
// can be, and how it is loaded then.
#pragma once

#include <memory>

#include "engine/config/recipe.h"
#include "engine/models/loaded_model.h"
#include "engine/models/model_summary.h"
#include "engine/ranks/ranks.h"

namespace luthier {

/// Input error where nothing of this base can be sharded under the recipe, and why.
Status can_shard_base(const ModelSummary& model, const Recipe& recipe);

/// load_model of one of these ranks.
Result<LoadedModel> load_sharded_base(const Recipe& recipe, const LoadOptions& options,
                                      std::shared_ptr<Ranks> ranks);

}  // namespace luthier
