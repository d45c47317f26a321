// SPDX-License-Identifier: GPL-3.0-or-later
// The next word (Radford et al. 2018): a decoder learns whole texts from left to right.
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_decoder.h"

namespace luthier {

namespace {

Result<StagedRecipe> write_next_word(const CardDraft& draft) {
  LUTHIER_CHECK(write_small_decoder(draft, {}));
  LUTHIER_CHECK(write_scene_rows(draft, text_row, /*pictures=*/false));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "infilling", "full", {"infilling.fim_rate=0"}));
  return StagedRecipe{{}, {{"text", false, std::move(recipe)}}};
}

}  // namespace

LabCard next_word_card() {
  LabCard card;
  card.key = "next-word";
  card.title = "The next word (GPT)";
  card.place = {CardPlace::Fusion::TextAlone, CardPlace::Mechanism::Generation,
                CardPlace::Pattern::DecoderOnly, "infilling", CardPlace::Mask::Causal};
  card.learns = "Each word of a text is told from those before it.";
  card.look =
      "A token sees those before it alone, and every one is learned from: the first mention of a "
      "colour cannot be known, its second can.";
  card.figure = "eval_accuracy";
  card.figure_is = "next words right";
  card.chance = 0.2;
  card.goal = 0.8;
  card.steps = 400;
  card.minutes = 1.2;
  card.write = write_next_word;
  return card;
}

}  // namespace luthier
