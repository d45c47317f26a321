// SPDX-License-Identifier: GPL-3.0-or-later
// Partial tuning: parts of the base train, whole or in their last layers, at once or one after
// another; what else there is stays as it is.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

constexpr const char* kTowerLayers = "freeze.vision_tower_last_layers";
constexpr const char* kTextLayers = "freeze.language_model_last_layers";
constexpr const char* kUnfreeze = "freeze.unfreeze_steps";

Status check_freeze(const Recipe& recipe) {
  const FreezeSettings& freeze = recipe.freeze;
  if (freeze.vision_tower && freeze.projector && freeze.language_model)
    return cross_fault("freeze", "every part is kept fixed, so there would be nothing to train.",
                       "Let at least one part train.");
  if (freeze.vision_tower && recipe.more.optional_integer(kTowerLayers))
    return cross_fault(kTowerLayers, "is set, but the vision tower is kept fixed.",
                       "Write freeze.vision_tower: false, or take the layers out.");
  if (freeze.language_model && recipe.more.optional_integer(kTextLayers))
    return cross_fault(kTextLayers, "is set, but the language model is kept fixed.",
                       "Write freeze.language_model: false, or take the layers out.");
  if (freeze.vision_tower && freeze.language_model && recipe.more.optional_integer(kUnfreeze))
    return cross_fault(kUnfreeze, "is set, but no part that has layers trains.",
                       "Let the vision tower or the language model train.");
  return {};
}

}  // namespace

MethodKind freeze_method_kind() {
  return {{"freeze",
           "Chosen parts stay fixed, all other weights train.",
           rows::fields_of(
               {rows::kind_optional_integer(kTowerLayers, "Last layers of the tower",
                                            "So many of the vision tower's last layers train, "
                                            "with what stands behind them; null: all of it.")
                    .unit("layers")
                    .at_least(1)
                    .at_most(100000),
                rows::kind_optional_integer(kTextLayers, "Last layers of the language model",
                                            "So many of its last layers train, with the norm and "
                                            "the head behind them; null: all of it.")
                    .unit("layers")
                    .at_least(1)
                    .at_most(100000),
                rows::kind_optional_integer(kUnfreeze, "Steps until the next layer",
                                            "Gradual unfreezing: after so many steps each, one "
                                            "more layer trains, from the last to the first; it "
                                            "begins with the last layers named above, or one. "
                                            "null: none is added.")
                    .unit("steps")
                    .at_least(1)
                    .at_most(1e12)
                    .advanced()}),
           {"freeze.vision_tower", "freeze.projector", "freeze.language_model"},
           {{"training.learning_rate", 1e-5}},
           check_freeze,
           true}};
}

}  // namespace luthier
