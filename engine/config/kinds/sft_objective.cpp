// SPDX-License-Identifier: GPL-3.0-or-later
// Supervised fine-tuning: the answers of the rows are learned token by token.
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind sft_objective_kind() {
  return {{"sft",
           "Supervised tuning on the answers of the rows.",
           {},
           {"training.loss_on"},
           {},
           nullptr,
           true}};
}

}  // namespace luthier
