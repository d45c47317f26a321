// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA+ (Hayou et al. 2024): B trains faster than A. The groups are those of PEFT's
// create_loraplus_optimizer, by the tensors' names and dimensions.
#pragma once

#include <vector>

#include "engine/config/recipe.h"
#include "engine/optim/optimizer.h"

namespace luthier {

/// The rates of LoRA+ and what decays under it, where training.loraplus_lr_ratio is set.
/// `in_layer_norm`: whether a module on the tensor's path is a LayerNorm, in their order.
void apply_loraplus(std::vector<TrainedTensor>& tensors, const std::vector<bool>& in_layer_norm,
                    const Recipe& recipe);

}  // namespace luthier
