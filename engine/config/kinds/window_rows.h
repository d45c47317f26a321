// SPDX-License-Identifier: GPL-3.0-or-later
// What objectives have in common whose rows are told from the others of their window.
#pragma once

#include "engine/config/kinds.h"

namespace luthier::rows {

inline Status check_window_of_rows(const Recipe& recipe) {
  const TrainingSettings& training = recipe.training;
  if (training.per_device_train_batch_size * training.gradient_accumulation_steps > 1) return {};
  return cross_fault("training.per_device_train_batch_size",
                     "is 1, and a row has no other to be told from.",
                     "Let a window have two rows or more.");
}

}  // namespace luthier::rows
