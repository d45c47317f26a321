// SPDX-License-Identifier: GPL-3.0-or-later
// Two views of a picture brought together.
#include "engine/config/field_rows.h"
#include "engine/config/kinds/window_rows.h"

namespace luthier {

ObjectiveKind two_views_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"two_views",
       "A model of pictures learns which two views show the same picture, without labels.",
       later_fields_of({
           kind_number("two_views.temperature", "Temperature",
                       "What cosines are divided by: the lower, the more the likeliest wrong views "
                       "count.",
                       0.5)
               .at_least(0.001)
               .at_most(100),
           kind_number("two_views.smallest", "Smallest part",
                       "The least share of a picture's area that a view shows.", 0.2)
               .at_least(0.01)
               .at_most(1),
           kind_number("two_views.jitter", "Other colours",
                       "Brightness, contrast and saturation of a view lie within 1 plus or minus "
                       "this.",
                       0.8)
               .at_least(0)
               .at_most(1),
       }),
       {},
       {},
       check_window_of_rows}};
  kind.row_kind = "views";
  return kind;
}

}  // namespace luthier
