// SPDX-License-Identifier: GPL-3.0-or-later
// A caption by looking across (Vinyals et al. 2015 in today's parts): a ViT, and a GPT-2 whose
// layers look at its states.
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_vit.h"

namespace luthier {

namespace {

Result<StagedRecipe> write_captions(const CardDraft& draft) {
  const std::string end = "<|endoftext|>";
  const WordTokenizer words{{end}, {}, {{"bos_token", end}, {"eos_token", end}, {"unk_token", end}},
                            {},    {}, 64};
  Json tower = small_vit(12);
  tower["model_type"] = "vit";
  const Json decoder = {{"model_type", "gpt2"},
                        {"add_cross_attention", true},
                        {"is_decoder", true},
                        {"vocab_size", words.size()},
                        {"n_embd", 96},
                        {"n_inner", 256},
                        {"n_layer", 3},
                        {"n_head", 4},
                        {"n_positions", words.longest},
                        {"activation_function", "gelu_new"},
                        {"attn_pdrop", 0.0},
                        {"embd_pdrop", 0.0},
                        {"resid_pdrop", 0.0},
                        {"layer_norm_epsilon", 1e-5},
                        {"initializer_range", 0.05},
                        {"tie_word_embeddings", true},
                        {"bos_token_id", words.id(end)},
                        {"eos_token_id", words.id(end)}};
  const Json config = {{"architectures", {"VisionEncoderDecoderModel"}},
                       {"model_type", "vision-encoder-decoder"},
                       {"dtype", "float32"},
                       {"is_encoder_decoder", true},
                       {"encoder", tower},
                       {"decoder", decoder},
                       {"decoder_start_token_id", words.id(end)},
                       {"eos_token_id", words.id(end)},
                       {"pad_token_id", words.id(end)},
                       {"tie_word_embeddings", false}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_model_file(draft, "preprocessor_config.json", small_vit_processor()));
  LUTHIER_CHECK(write_scene_rows(draft, described_row, /*pictures=*/true));
  LUTHIER_TRY(Recipe recipe, described_recipe(draft, "full"));
  return StagedRecipe{{}, {{"captions", false, std::move(recipe)}}};
}

}  // namespace

LabCard captions_card() {
  LabCard card;
  card.key = "captions";
  card.title = "A caption by looking across (ViT and GPT-2)";
  card.place = {CardPlace::Fusion::Between, CardPlace::Mechanism::Generation,
                CardPlace::Pattern::TowerAndDecoder, "sft", CardPlace::Mask::EncoderDecoder};
  card.learns =
      "A decoder writes what a picture shows. Its words see their own past, and in each layer they "
      "look across to the picture's patches.";
  card.look =
      "Patches never stand in the text's row: a caption of any length costs the picture once. Both "
      "sides begin from nothing.";
  card.figure = "eval_probe/exact_match";
  card.figure_is = "captions that are right to the word";
  card.chance = 0.01;
  card.goal = 0.5;
  card.steps = 500;
  card.minutes = 2.5;
  card.write = write_captions;
  return card;
}

}  // namespace luthier
