// SPDX-License-Identifier: GPL-3.0-or-later
// Infilling (Bavarian et al. 2022): the decoder of the next word, over texts whose middle was put
// behind their end.
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_decoder.h"

namespace luthier {

namespace {

Result<StagedRecipe> write_infilling(const CardDraft& draft) {
  LUTHIER_CHECK(write_small_decoder(draft, {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"}));
  LUTHIER_CHECK(write_scene_rows(draft, text_row, /*pictures=*/false));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "infilling", "full",
                                         {"infilling.fim_rate=1", "infilling.fim_spm_rate=0"}));
  return StagedRecipe{{}, {{"infilling", false, std::move(recipe)}}};
}

}  // namespace

LabCard infilling_card() {
  LabCard card;
  card.key = "infilling";
  card.title = "The middle (infilling)";
  card.place = {CardPlace::Fusion::TextAlone, CardPlace::Mechanism::Generation,
                CardPlace::Pattern::DecoderOnly, "infilling", CardPlace::Mask::Causal};
  card.learns =
      "A text is parted in three, its middle is put last, and a decoder that only looks back "
      "learns "
      "to write it from both sides.";
  card.look =
      "The mask is the next word's; the order of the text is another. What stands behind "
      "<|fim_middle|> has seen the end of the text before it is written.";
  card.figure = "eval_exact_middles";
  card.figure_is = "middles written exactly";
  card.chance = 0.0;
  card.goal = 0.35;
  card.steps = 1800;
  card.minutes = 2.5;
  card.write = write_infilling;
  return card;
}

}  // namespace luthier
