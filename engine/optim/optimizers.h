// SPDX-License-Identifier: GPL-3.0-or-later
// The table of optimizers, by transformers' names (`training.optim`). A new one is a file that
// defines its row, and a line in optimizers.cpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/optim/optimizer.h"

namespace luthier {

struct OptimizerRow {
  const char* name;
  StateLayout layout;  ///< what it keeps for a parameter
  std::unique_ptr<Optimizer> (*make)(std::vector<TrainedTensor>, const TrainingSettings&);
};

const std::vector<OptimizerRow>& optimizers();

/// The row of `training.optim`; null where there is none.
const OptimizerRow* find_optimizer(const std::string& name);

/// The optimizer that the recipe names. Input error for a name that no row has.
Result<std::unique_ptr<Optimizer>> make_optimizer(std::vector<TrainedTensor> tensors,
                                                  const TrainingSettings& training);

}  // namespace luthier
