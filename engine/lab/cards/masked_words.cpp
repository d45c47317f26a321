// SPDX-License-Identifier: GPL-3.0-or-later
// Masked words (Devlin et al. 2019): a BERT of three layers.
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_encoder.h"

namespace luthier {

namespace {

Result<StagedRecipe> write_masked_words(const CardDraft& draft) {
  const WordTokenizer words = encoder_words();
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", small_encoder(words)));
  LUTHIER_CHECK(write_scene_rows(draft, text_row, /*pictures=*/false));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "mlm", "full", {"mlm.mlm_probability=0.15"}));
  return StagedRecipe{{}, {{"mlm", false, std::move(recipe)}}};
}

}  // namespace

LabCard masked_words_card() {
  LabCard card;
  card.key = "masked-words";
  card.title = "Masked words (BERT)";
  card.place = {CardPlace::Fusion::TextAlone, CardPlace::Mechanism::Masking,
                CardPlace::Pattern::EncoderOnly, "mlm", CardPlace::Mask::BothWays};
  card.learns =
      "Some words of a text are covered, and each is told from the words on both sides of it.";
  card.look =
      "Every token sees every other. Only the chosen ones are learned from: 15 of 100, of which 8 "
      "in 10 are covered, 1 becomes another word and 1 stays.";
  card.figure = "eval_accuracy";
  card.figure_is = "words restored";
  card.chance = 0.2;
  card.goal = 0.8;
  card.steps = 600;
  card.minutes = 1.5;
  card.write = write_masked_words;
  return card;
}

}  // namespace luthier
