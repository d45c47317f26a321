// SPDX-License-Identifier: GPL-3.0-or-later
// Denoising, with the settings of BART's own pretraining. mBART's masks 0.35 of the words.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {

ObjectiveKind denoising_objective_kind() {
  using namespace rows;
  ObjectiveKind kind{
      {"denoising",
       "A model of encoder and decoder learns to write a text that it reads with spans of words "
       "masked and its sentences in another order.",
       later_fields_of(
           {kind_number("denoising.mask_ratio", "Words masked",
                        "The share of a text's words that are masked. mBART's is 0.35.", 0.3)
                .above(0)
                .at_most(1),
            kind_number("denoising.poisson_lambda", "Words of a span",
                        "How many words in a row one mask stands for, on average.", 3)
                .above(0)
                .at_most(100),
            kind_number("denoising.permute_sentence_ratio", "Texts in another order",
                        "The share of texts whose sentences come in another order.", 1)
                .at_least(0)
                .at_most(1),
            kind_number("denoising.random_ratio", "Of the masks any token",
                        "The share of masks in whose place some token of the vocabulary stands.",
                        0.1)
                .at_least(0)
                .at_most(1)
                .advanced()}),
       {},
       {}}};
  kind.row_kind = "text";
  return kind;
}

}  // namespace luthier
