// SPDX-License-Identifier: GPL-3.0-or-later
// A class for each word (Devlin et al. 2019, section 5.3): which of two things
// stands before the other.
#include "engine/data/class_options.h"
#include "engine/data/processor.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_encoder.h"

namespace luthier {

namespace {

Json tag_row(const LabScene& scene, const std::string&) {
  const LabTags tags = lab_tags(scene);
  Json labels = Json::array();
  for (const int before : tags.before) {
    if (before < 0)
      labels.push_back(kIgnoreLabel);
    else
      labels.push_back(before == 1 ? "before" : "behind");
  }
  return {{"words", tags.words}, {"labels", labels}};
}

Result<StagedRecipe> write_tags(const CardDraft& draft) {
  const WordTokenizer words = encoder_words();
  Json config = small_encoder(words);
  ClassOptions classes;
  classes.of = ClassOptions::Of::Token;
  classes.names = {"behind", "before"};
  write_class_options(classes, "BertForTokenClassification", config);
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_scene_rows(draft, tag_row, /*pictures=*/false));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "classification", "full", {}));
  return StagedRecipe{{}, {{"classes", false, std::move(recipe)}}};
}

}  // namespace

LabCard tags_card() {
  LabCard card;
  card.key = "tags";
  card.title = "A class for each word (tags)";
  card.place = {CardPlace::Fusion::TextAlone, CardPlace::Mechanism::Classes,
                CardPlace::Pattern::EncoderOnly, "classification", CardPlace::Mask::BothWays};
  card.learns =
      "Each word that names a thing is told apart: does its sentence "
      "put the thing before the other "
      "one, or behind it?";
  card.look =
      "Every word of a thing has a label of its own and sees what "
      "stands on both sides of it, the "
      "relation too; all other words have none.";
  card.figure = "eval_accuracy";
  card.figure_is = "words tagged right";
  card.chance = 0.5;
  card.goal = 0.95;
  card.steps = 300;
  card.minutes = 1;
  card.write = write_tags;
  return card;
}

}  // namespace luthier
