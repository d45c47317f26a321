// SPDX-License-Identifier: GPL-3.0-or-later
// Masked language modelling, with the settings of transformers' DataCollatorForLanguageModeling.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

namespace {

Status check_mlm(const Recipe& recipe) {
  if (recipe.more.number("mlm.mask_replace_prob") + recipe.more.number("mlm.random_replace_prob") <=
      1)
    return {};
  return cross_fault("mlm.random_replace_prob",
                     "and mlm.mask_replace_prob come to more than all chosen tokens.",
                     "Together they are 1 at most; what is left stays as it is.");
}

}  // namespace

ObjectiveKind mlm_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"mlm",
       "An encoder learns to say what stood where tokens of a text were covered.",
       fields_of(
           {kind_number("mlm.mlm_probability", "Tokens chosen",
                        "The share of a text's tokens that must be said.", 0.15)
                .above(0)
                .at_most(1),
            kind_number("mlm.mask_replace_prob", "Of these covered",
                        "The share of the chosen tokens that the mask takes the place of.", 0.8)
                .at_least(0)
                .at_most(1),
            kind_number("mlm.random_replace_prob", "Of these replaced",
                        "The share of the chosen tokens that become any other word.", 0.1)
                .at_least(0)
                .at_most(1),
            kind_boolean("mlm.whole_word_mask", "Whole words",
                         "Words are chosen with all their pieces, and not piece by piece.", false),
            kind_integer("mlm.max_ngram", "Tokens in a row",
                         "As many tokens, or whole words, that follow one another are chosen "
                         "together at most: n of them with a probability that goes by 1/n.",
                         1)
                .at_least(1)
                .at_most(64),
            kind_choice("mlm.pairs", "Pairs of texts",
                        "What is learned besides of two stretches of a document: next, whether the "
                        "second follows or is another document's (BERT); order, whether they are "
                        "in their order (ALBERT). The checkpoint needs the head for it.",
                        {"none", "next", "order"}, "none")}),
       {},
       {},
       check_mlm}};
  kind.row_kind = "text";
  return kind;
}

}  // namespace luthier
