// SPDX-License-Identifier: GPL-3.0-or-later
// Masked words (Devlin et al. 2019): a BERT of three layers.
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"

namespace luthier {

namespace {

Result<StagedRecipe> write_masked_words(const CardDraft& draft) {
  const WordTokenizer words{{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"},
                            {},
                            {{"pad_token", "[PAD]"},
                             {"unk_token", "[UNK]"},
                             {"cls_token", "[CLS]"},
                             {"sep_token", "[SEP]"},
                             {"mask_token", "[MASK]"}},
                            {"[CLS]"},
                            {"[SEP]"},
                            64};
  const Json config = {{"architectures", {"BertForMaskedLM"}},
                       {"model_type", "bert"},
                       {"dtype", "float32"},
                       {"vocab_size", words.size()},
                       {"hidden_size", 96},
                       {"intermediate_size", 256},
                       {"num_hidden_layers", 3},
                       {"num_attention_heads", 4},
                       {"max_position_embeddings", words.longest},
                       {"type_vocab_size", 2},
                       {"hidden_act", "gelu"},
                       {"layer_norm_eps", 1e-12},
                       {"initializer_range", 0.05},
                       {"hidden_dropout_prob", 0.0},
                       {"attention_probs_dropout_prob", 0.0},
                       {"pad_token_id", 0}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
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
