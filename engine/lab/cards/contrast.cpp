// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and texts held against one another (Radford et al. 2021): a CLIP of two layers on either
// side, over pictures of nine patches.
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"

namespace luthier {

namespace {

Result<StagedRecipe> write_contrast(const CardDraft& draft) {
  const std::string start = "<|startoftext|>", end = "<|endoftext|>";
  const WordTokenizer words{
      {start, end},
      {},
      {{"bos_token", start}, {"eos_token", end}, {"pad_token", end}, {"unk_token", end}},
      {start},
      {end},
      64};
  const Json layers = {
      {"hidden_size", 96},        {"intermediate_size", 256},   {"num_hidden_layers", 2},
      {"num_attention_heads", 4}, {"hidden_act", "quick_gelu"}, {"layer_norm_eps", 1e-5},
      {"attention_dropout", 0.0}, {"initializer_range", 0.05},  {"initializer_factor", 1.0}};
  Json text = layers, vision = layers;
  text.update({{"model_type", "clip_text_model"},
               {"vocab_size", words.size()},
               {"max_position_embeddings", words.longest},
               {"bos_token_id", words.id(start)},
               {"eos_token_id", words.id(end)},
               {"pad_token_id", words.id(end)}});
  vision.update({{"model_type", "clip_vision_model"},
                 {"image_size", kScenePixels},
                 {"patch_size", kSceneCell},
                 {"num_channels", 3}});
  const Json config = {{"architectures", {"CLIPModel"}},
                       {"model_type", "clip"},
                       {"dtype", "float32"},
                       {"projection_dim", 64},
                       {"logit_scale_init_value", 2.6592},
                       {"text_config", text},
                       {"vision_config", vision}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_model_file(draft, "preprocessor_config.json", scene_processor()));
  LUTHIER_CHECK(write_scene_rows(draft, caption_row, /*pictures=*/true));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "contrastive", "full", {"training.max_length=64"}));
  return StagedRecipe{{}, {{"contrast", false, std::move(recipe)}}};
}

}  // namespace

LabCard contrast_card() {
  LabCard card;
  card.key = "contrast";
  card.title = "Pictures and texts held together (CLIP)";
  card.place = {CardPlace::Fusion::Late, CardPlace::Mechanism::Contrast,
                CardPlace::Pattern::TwoTowers, "contrastive", CardPlace::Mask::Apart};
  card.learns =
      "A tower of pictures and one of texts come to points of one space: each text is to lie "
      "nearest to its own picture among all of the batch.";
  card.look =
      "The two sides never see one another, only their points meet: a square of likenesses, whose "
      "diagonal is to win in every row and column.";
  card.figure = "eval_accuracy/text";
  card.figure_is = "texts that find their picture, of 32";
  card.chance = 1.0 / 32;
  card.goal = 0.6;
  card.steps = 500;
  card.minutes = 2;
  card.write = write_contrast;
  return card;
}

}  // namespace luthier
