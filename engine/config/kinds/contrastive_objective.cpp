// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and texts brought together.
#include "engine/config/field_rows.h"
#include "engine/config/kinds/window_rows.h"

namespace luthier {

namespace {

/// Piece by piece a window may be of several ranks, which a recipe does not know of.
Status check_contrastive(const Recipe& recipe) {
  return recipe.more.flag("contrastive.gradient_cache") ? Status()
                                                        : rows::check_window_of_rows(recipe);
}

}  // namespace

ObjectiveKind contrastive_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"contrastive",
       "Two towers learn which picture goes with which text, a window at a time.",
       later_fields_of({
           kind_boolean("contrastive.gradient_cache", "Micro-batch by micro-batch",
                        "A window goes through the model in its micro-batches, each twice, in the "
                        "place of all at once: memory holds one of them, and ranks share them.",
                        false)
               .advanced(),
       }),
       {},
       {},
       check_contrastive}};
  kind.row_kind = "caption";
  return kind;
}

}  // namespace luthier
