// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and texts brought together: settings of its own it has none.
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind contrastive_objective_kind() {
  ObjectiveKind kind{{"contrastive",
                      "Two towers learn which picture goes with which text, a window at a time.",
                      {},
                      {},
                      {},
                      nullptr}};
  kind.row_kind = "caption";
  return kind;
}

}  // namespace luthier
