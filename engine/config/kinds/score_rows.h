// SPDX-License-Identifier: GPL-3.0-or-later
// What the objectives ask of a recipe that train a head of scores beside the model or its adapter.
#pragma once

#include <algorithm>

#include "engine/config/kinds.h"

namespace luthier {

/// The head trains whole, which an adapter's method must know how to keep.
inline Status check_score_head(const Recipe& recipe) {
  const MethodKind& method = method_kind(recipe.strategy);
  const auto& shared = method.shares;
  if (!method.hangs_adapter() ||
      std::find(shared.begin(), shared.end(), "adapter.modules_to_save") != shared.end())
    return {};
  return cross_fault("strategy",
                     "is " + recipe.strategy +
                         ", which trains no module whole, and the objective's head has to be.",
                     "Choose lora, another method with modules_to_save, or full.");
}

}  // namespace luthier
