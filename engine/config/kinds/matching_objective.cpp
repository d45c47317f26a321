// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and texts told apart that look as if they belonged together.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_matching(const Recipe& recipe) {
  const TrainingSettings& training = recipe.training;
  if (training.per_device_train_batch_size * training.gradient_accumulation_steps > 1) return {};
  return cross_fault("training.per_device_train_batch_size",
                     "is 1, and a row has no other to be told from.",
                     "Let a window have two rows or more.");
}

}  // namespace

ObjectiveKind matching_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"matching",
       "A text that is read with a picture says whether the two belong together; those that do not "
       "are the likest of the window.",
       later_fields_of({
           kind_number("matching.contrastive_weight", "Weight of the contrast",
                       "How much the loss of contrastive, by whose likenesses the others are "
                       "drawn, counts beside. 0: it does not learn.",
                       1.0)
               .at_least(0),
       }),
       {},
       {},
       check_matching}};
  kind.row_kind = "caption";
  return kind;
}

}  // namespace luthier
