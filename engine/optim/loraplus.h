// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA+ (Hayou et al. 2024): B trains faster than A. The groups are those of PEFT's
// create_loraplus_optimizer, by the tensors' names and dimensions.
#pragma once

#include "engine/config/recipe.h"
#include "engine/optim/optimizer.h"

namespace luthier {

/// Moves a tensor, whose rate is given already, to its group: `ratio` times that rate, or the
/// recipe's of embeddings, and what decays there. `in_layer_norm`: a module on its path is one.
void join_loraplus_group(TrainedTensor& trained, bool in_layer_norm, double ratio,
                         const Recipe& recipe);

}  // namespace luthier
