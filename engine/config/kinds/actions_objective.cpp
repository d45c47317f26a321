// SPDX-License-Identifier: GPL-3.0-or-later
// A robot's actions as tokens (Kim et al. 2024): what they stand for is in the model's config.json,
// so there is nothing to set.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind actions_objective_kind() {
  ObjectiveKind kind{{"actions",
                      "A robot's next action, from a picture and what is to be done, written in "
                      "tokens.",
                      {},
                      {},
                      {}}};
  kind.row_kind = "actions";
  return kind;
}

}  // namespace luthier
