// SPDX-License-Identifier: GPL-3.0-or-later
// Full tuning: every weight of the base trains.
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_full(const Recipe& recipe) {
  const FreezeSettings& freeze = recipe.freeze;
  if (!freeze.vision_tower && !freeze.projector && !freeze.language_model) return {};
  return cross_fault("freeze", "a part is kept fixed, but the strategy full trains every part.",
                     "Write strategy: freeze, or take the part out.");
}

}  // namespace

MethodKind full_method_kind() {
  MethodKind kind{{"full",
                   "Every weight trains.",
                   {},
                   {},
                   {{"training.learning_rate", 1e-5},
                    {"freeze.vision_tower", false, true},
                    {"freeze.projector", false, true},
                    {"freeze.language_model", false, true}},
                   check_full,
                   true}};
  return kind;
}

}  // namespace luthier
