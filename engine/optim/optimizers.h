// SPDX-License-Identifier: GPL-3.0-or-later
// The optimizers' tensor halves. A new one is a file here that defines NAME_optimizer, its
// torch-free half in config/kinds/NAME_optimizer.cpp, and its name in LUTHIER_OPTIMIZERS.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/optim/optimizer.h"

namespace luthier {

/// The optimizer that the recipe names (training.optim).
std::unique_ptr<Optimizer> make_optimizer(std::vector<TrainedTensor> tensors, const Recipe& recipe);

}  // namespace luthier
