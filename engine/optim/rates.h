// SPDX-License-Identifier: GPL-3.0-or-later
// Which rate each trained tensor has. A recipe has one common rate, and may name others for groups:
// parts of the model, an adapter's own tensors, Muon's matrices, LoRA+'s B. They share schedule and
// steps; a rate that is set by hand while a run trains moves all of them in proportion. A method or
// a setting that wants tensors apart says so in rates.cpp, by what a TrainedTensor is, and counts
// where the recipe's kinds have it: a recipe may hold what another method has set.
#pragma once

#include <vector>

#include "engine/config/recipe.h"
#include "engine/optim/optimizer.h"

namespace luthier {

/// The peak rate of this tensor under the recipe, but for LoRA+.
double rate_of(const TrainedTensor& trained, const Recipe& recipe);
/// Sets each tensor's `rate`, what its own is of training.learning_rate, and under LoRA+ what of
/// them decays. `in_layer_norm`, in their order: whether a module on a tensor's path is a
/// LayerNorm; empty: none is.
void give_rates(std::vector<TrainedTensor>& tensors, const Recipe& recipe,
                const std::vector<bool>& in_layer_norm = {});

}  // namespace luthier
