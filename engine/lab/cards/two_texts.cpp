// SPDX-License-Identifier: GPL-3.0-or-later
// Two texts and what one says of the other, by the state of [CLS] (Devlin et
// al. 2019, section 4).
#include "engine/data/class_options.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_encoder.h"

namespace luthier {

namespace {

Json pair_row(const LabScene& scene, const std::string&) {
  const LabPair pair = lab_pair(scene);
  return {{"text", pair.first},
          {"text_pair", pair.second},
          {"label", pair.follows ? "follows" : "contradicts"}};
}

Result<StagedRecipe> write_two_texts(const CardDraft& draft) {
  const WordTokenizer words = encoder_words();
  Json config = small_encoder(words);
  ClassOptions classes;
  classes.names = {"follows", "contradicts"};
  write_class_options(classes, "BertForSequenceClassification", config);
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_scene_rows(draft, pair_row, /*pictures=*/false));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "classification", "full", {}));
  return StagedRecipe{{}, {{"classes", false, std::move(recipe)}}};
}

}  // namespace

LabCard two_texts_card() {
  LabCard card;
  card.key = "two-texts";
  card.title = "What follows from a text ([CLS])";
  card.place = {CardPlace::Fusion::TextAlone, CardPlace::Mechanism::Classes,
                CardPlace::Pattern::EncoderOnly, "classification", CardPlace::Mask::BothWays};
  card.learns =
      "Two texts stand in one row, and the first token's state says "
      "whether the second follows from "
      "the first or contradicts it.";
  card.look =
      "Both texts see one another, and one token of the row is learned "
      "from: [CLS], which nobody "
      "wrote.";
  card.figure = "eval_accuracy";
  card.figure_is = "pairs judged right";
  card.chance = 0.5;
  card.goal = 0.7;
  card.steps = 2500;
  card.minutes = 1.5;
  card.write = write_two_texts;
  return card;
}

}  // namespace luthier
