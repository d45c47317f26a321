// SPDX-License-Identifier: GPL-3.0-or-later
// Texts read together with regions of their pictures, with the settings of VisualBERT's and
// LXMERT's pretraining (Li et al. 2019, Tan & Bansal 2019).
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_regions(const Recipe& recipe) {
  if (recipe.more.number("regions.mask_replace_prob") +
          recipe.more.number("regions.random_replace_prob") <=
      1)
    return {};
  return cross_fault("regions.random_replace_prob",
                     "and regions.mask_replace_prob come to more than all chosen tokens.",
                     "Together they are 1 at most; what is left stays as it is.");
}

}  // namespace

ObjectiveKind regions_objective_kind() {
  using namespace rows;
  const auto share = [](const char* key, const char* label, const char* help, double fallback) {
    return kind_number(key, label, help, fallback).at_least(0).at_most(1);
  };
  ObjectiveKind kind{
      {"regions",
       "A text is read with regions of a picture: what was covered in either is learned, and "
       "whether the two belong together.",
       later_fields_of({
           kind_number("regions.mlm_probability", "Tokens chosen",
                       "The share of a text's tokens that must be said.", 0.15)
               .above(0)
               .at_most(1),
           share("regions.mask_replace_prob", "Of these covered",
                 "The share of the chosen tokens that the mask takes the place of.", 0.8),
           share("regions.random_replace_prob", "Of these replaced",
                 "The share of the chosen tokens that become any other word.", 0.1),
           kind_boolean("regions.whole_word_mask", "Whole words",
                        "Words are chosen with all their pieces, and not piece by piece.", false),
           share("regions.region_probability", "Regions covered",
                 "The share of the regions whose features are put to zero and must be said, of a "
                 "model that has heads for it (LXMERT).",
                 0.15),
           share("regions.exchange_probability", "Texts exchanged",
                 "The share of the rows that get another row's text of their micro-batch, where "
                 "they do not say whether text and regions belong together.",
                 0.5),
       }),
       {},
       {},
       check_regions}};
  kind.row_kind = "regions";
  return kind;
}

}  // namespace luthier
