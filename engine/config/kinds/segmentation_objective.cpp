// SPDX-License-Identifier: GPL-3.0-or-later
// Which pixels of a picture a prompt is about. The loss is the model's class's own, so there is
// nothing to set.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

/// CLIPSeg's decoder is the part that gets gradients, whatever else is said to train.
Status check_decoder_trains(const Recipe& recipe) {
  if (recipe.strategy != "freeze" || !recipe.freeze.projector) return {};
  return cross_fault("freeze.projector", "is true, and nothing but the decoder would learn.",
                     "Write freeze.projector: false.");
}

}  // namespace

ObjectiveKind segmentation_objective_kind() {
  ObjectiveKind kind{{"segmentation",
                      "A model learns which pixels of a picture a text, or another picture, means.",
                      {},
                      {},
                      {},
                      check_decoder_trains}};
  kind.row_kind = "masks";
  return kind;
}

}  // namespace luthier
