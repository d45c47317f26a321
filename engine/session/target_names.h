// SPDX-License-Identifier: GPL-3.0-or-later
// What a window writes for modules that were ticked one by one. No LibTorch.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/models/model_summary.h"

namespace luthier {

/// target_modules for exactly these Linears: the shortest endings that PEFT finds in no other
/// module of transformers' class, {"all-linear"} where all but the head are chosen, nothing for
/// none.
std::vector<std::string> target_names(const ModelSummary& model,
                                      const std::set<std::string>& chosen);

}  // namespace luthier
