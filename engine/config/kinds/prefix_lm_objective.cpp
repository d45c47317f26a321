// SPDX-License-Identifier: GPL-3.0-or-later
// Prefix language modelling. It has no settings: how much of a text is prefix is drawn from all
// there is.
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind prefix_lm_objective_kind() {
  ObjectiveKind kind{{"prefix_lm",
                      "A model writes the rest of a text from its first words, and its picture "
                      "where it has one, which all see each other.",
                      {},
                      {},
                      {},
                      nullptr}};
  kind.row_kind = "prefix";
  return kind;
}

}  // namespace luthier
