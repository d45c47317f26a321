// SPDX-License-Identifier: GPL-3.0-or-later
// The rows: one line declares an optimizer's, one puts it into the table.
#include "engine/optim/optimizers.h"

#include <utility>

namespace luthier {

OptimizerRow adamw_row();

const std::vector<OptimizerRow>& optimizers() {
  static const std::vector<OptimizerRow> rows = {
      adamw_row(),
  };
  return rows;
}

const OptimizerRow* find_optimizer(const std::string& name) {
  for (const OptimizerRow& row : optimizers()) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

Result<std::unique_ptr<Optimizer>> make_optimizer(std::vector<TrainedTensor> tensors,
                                                  const TrainingSettings& training) {
  const OptimizerRow* row = find_optimizer(training.optim);
  if (!row) return input_error("There is no optimizer '" + training.optim + "'.", "training.optim");
  return row->make(std::move(tensors), training);
}

}  // namespace luthier
