// SPDX-License-Identifier: GPL-3.0-or-later
// Spans filled (Raffel et al. 2020): a T5 of two layers on either side.
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"

namespace luthier {

namespace {

constexpr int kSpanMarks = 16;

Result<StagedRecipe> write_spans(const CardDraft& draft) {
  WordTokenizer words{{"<pad>", "</s>", "<unk>"},
                      {},
                      {{"pad_token", "<pad>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
                      {},
                      {"</s>"},
                      128};
  for (int mark = kSpanMarks - 1; mark >= 0; --mark)
    words.last.push_back("<extra_id_" + std::to_string(mark) + ">");
  const Json config = {{"architectures", {"T5ForConditionalGeneration"}},
                       {"model_type", "t5"},
                       {"dtype", "float32"},
                       {"vocab_size", words.size()},
                       {"d_model", 96},
                       {"d_kv", 24},
                       {"d_ff", 256},
                       {"num_layers", 2},
                       {"num_decoder_layers", 2},
                       {"num_heads", 4},
                       {"relative_attention_num_buckets", 32},
                       {"relative_attention_max_distance", 128},
                       {"feed_forward_proj", "relu"},
                       {"layer_norm_epsilon", 1e-6},
                       {"initializer_factor", 1.0},
                       {"dropout_rate", 0.0},
                       {"decoder_start_token_id", 0},
                       {"pad_token_id", 0},
                       {"eos_token_id", 1},
                       {"is_encoder_decoder", true},
                       {"tie_word_embeddings", true}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_scene_rows(draft, text_row, /*pictures=*/false));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "span_corruption", "full",
                                         {"span_corruption.noise_density=0.15",
                                          "span_corruption.mean_noise_span_length=3"}));
  return StagedRecipe{{}, {{"spans", false, std::move(recipe)}}};
}

}  // namespace

LabCard spans_card() {
  LabCard card;
  card.key = "spans";
  card.title = "Spans filled (T5)";
  card.place = {CardPlace::Fusion::TextAlone, CardPlace::Mechanism::Masking,
                CardPlace::Pattern::EncoderDecoder, "span_corruption",
                CardPlace::Mask::EncoderDecoder};
  card.learns =
      "Spans of a text are cut out, an encoder reads what is left, and a decoder writes each span "
      "behind its mark.";
  card.look =
      "What is read sees all of itself; what is written sees all that was read and its own past. A "
      "mark stands for a span of any length.";
  card.figure = "eval_exact_spans";
  card.figure_is = "spans filled exactly";
  card.chance = 0.0;
  card.goal = 0.3;
  card.steps = 1800;
  card.minutes = 2;
  card.write = write_spans;
  return card;
}

}  // namespace luthier
