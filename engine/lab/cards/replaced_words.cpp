// SPDX-License-Identifier: GPL-3.0-or-later
// Words that another model put in (ELECTRA, Clark et al. 2020): a generator fills in covered words,
// and a discriminator says of every word whether it stood there.
#include <filesystem>

#include "engine/io/files.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_encoder.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

Result<StagedRecipe> write_replaced_words(const CardDraft& draft) {
  const WordTokenizer words = encoder_words();
  Json model = small_encoder(words);
  model.update({{"architectures", {"ElectraForPreTraining"}},
                {"model_type", "electra"},
                {"embedding_size", 96}});
  Json other = model;  // a better one puts in words that nobody could tell
  other.update({{"architectures", {"ElectraForMaskedLM"}},
                {"hidden_size", 16},
                {"intermediate_size", 32},
                {"num_hidden_layers", 1},
                {"num_attention_heads", 2}});
  const fs::path generator = draft.folder / "generator";
  std::error_code failed;
  fs::create_directories(generator, failed);
  if (failed)
    return machine_error("The folder cannot be made: " + failed.message() + ".",
                         generator.string());
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_word_tokenizer(words, generator));
  LUTHIER_CHECK(write_model_file(draft, "config.json", model));
  LUTHIER_CHECK(write_file_atomically(generator / "config.json", other.dump(2) + "\n"));
  LUTHIER_CHECK(write_scene_rows(draft, text_row, /*pictures=*/false));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "replaced_tokens", "full",
                                         {"replaced_tokens.generator=" + generator.string()}));
  return StagedRecipe{{}, {{"replaced", false, std::move(recipe)}}};
}

}  // namespace

LabCard replaced_words_card() {
  LabCard card;
  card.key = "replaced-words";
  card.title = "Replaced words found (ELECTRA)";
  card.place = {CardPlace::Fusion::TextAlone, CardPlace::Mechanism::Joined,
                CardPlace::Pattern::EncoderOnly, "replaced_tokens", CardPlace::Mask::BothWays};
  card.learns =
      "A small generator fills in covered words, and the model says of each word of the row "
      "whether it stood there or was put in. Both learn together, over the same table of words.";
  card.look =
      "Every word is learned from, not only the covered ones; and the better the generator, the "
      "harder its words are to find.";
  card.figure = "eval_recall";
  card.figure_is = "of the words put in, found";
  card.chance = 0.0;
  card.goal = 0.4;
  card.steps = 500;
  card.minutes = 1.5;
  card.write = write_replaced_words;
  return card;
}

}  // namespace luthier
