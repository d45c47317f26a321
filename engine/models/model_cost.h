// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>

#include "engine/models/cost.h"
#include "engine/models/model.h"

namespace luthier {

/// Answers by the model's own modules, which it holds on to (on the meta device they weigh
/// nothing); null where the model cannot say what a step costs.
std::shared_ptr<const ModelCost> cost_of(std::shared_ptr<const Model> model);

}  // namespace luthier
