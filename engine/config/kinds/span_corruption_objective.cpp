// SPDX-License-Identifier: GPL-3.0-or-later
// Span corruption, with the settings of T5's own pretraining.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind span_corruption_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"span_corruption",
       "A model of encoder and decoder learns to write what was cut out of a text.",
       fields_of({kind_number("span_corruption.noise_density", "Tokens cut out",
                              "The share of a text's tokens that must be written.", 0.15)
                      .above(0)
                      .below(1),
                  kind_number("span_corruption.mean_noise_span_length", "Tokens of a span",
                              "How many tokens in a row are cut out together, on average.", 3)
                      .at_least(1)
                      .at_most(1000)}),
       {},
       {}}};
  kind.row_kind = "text";
  return kind;
}

}  // namespace luthier
