// SPDX-License-Identifier: GPL-3.0-or-later
// Partial tuning: whole parts of the base train, the others stay as they are.
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_freeze(const Recipe& recipe) {
  const FreezeSettings& freeze = recipe.freeze;
  if (!freeze.vision_tower || !freeze.projector || !freeze.language_model) return {};
  return cross_fault("freeze", "every part is kept fixed, so there would be nothing to train.",
                     "Let at least one part train.");
}

}  // namespace

MethodKind freeze_method_kind() {
  return {{"freeze",
           "Chosen parts stay fixed, all other weights train.",
           {},
           {"freeze.vision_tower", "freeze.projector", "freeze.language_model"},
           {{"training.learning_rate", 1e-5}},
           check_freeze,
           true}};
}

}  // namespace luthier
