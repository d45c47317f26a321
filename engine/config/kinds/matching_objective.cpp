// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and texts told apart that look as if they belonged together.
#include "engine/config/field_rows.h"
#include "engine/config/kinds/window_rows.h"

namespace luthier {

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
       check_window_of_rows}};
  kind.row_kind = "caption";
  return kind;
}

}  // namespace luthier
