// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures rebuilt from some of their patches. How many are covered stands in the model's
// config.json, so there is nothing to set.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind masked_pictures_objective_kind() {
  ObjectiveKind kind{{"masked_pictures",
                      "A model of pictures learns to say what was in patches that it does not see.",
                      {},
                      {},
                      {},
                      nullptr}};
  kind.row_kind = "pictures";
  return kind;
}

}  // namespace luthier
