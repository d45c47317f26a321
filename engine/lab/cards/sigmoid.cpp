// SPDX-License-Identifier: GPL-3.0-or-later
// Each pair judged by itself (Zhai et al. 2023): a SigLIP of two layers on either side.
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"

namespace luthier {

namespace {

Result<StagedRecipe> write_sigmoid(const CardDraft& draft) {
  const std::string pad = "<pad>", end = "</s>";
  const WordTokenizer words{
      {pad, end}, {}, {{"pad_token", pad}, {"eos_token", end}, {"unk_token", pad}}, {}, {end}, 56};
  const Json layers = {
      {"hidden_size", 96},        {"intermediate_size", 256},          {"num_hidden_layers", 2},
      {"num_attention_heads", 4}, {"hidden_act", "gelu_pytorch_tanh"}, {"layer_norm_eps", 1e-6},
      {"attention_dropout", 0.0}};
  Json text = layers, vision = layers;
  text.update({{"model_type", "siglip_text_model"},
               {"vocab_size", words.size()},
               {"max_position_embeddings", words.longest},
               {"projection_size", 96},
               {"pad_token_id", words.id(pad)},
               {"eos_token_id", words.id(end)}});
  vision.update({{"model_type", "siglip_vision_model"},
                 {"image_size", kScenePixels},
                 {"patch_size", kSceneCell},
                 {"num_channels", 3}});
  Json processor = scene_processor();
  for (const char* crop : {"do_center_crop", "crop_size"}) processor.erase(crop);
  processor.update({{"image_processor_type", "SiglipImageProcessor"},
                    {"size", {{"height", kScenePixels}, {"width", kScenePixels}}}});
  const Json config = {
      {"architectures", {"SiglipModel"}}, {"model_type", "siglip"}, {"dtype", "float32"},
      {"initializer_factor", 1.0},        {"text_config", text},    {"vision_config", vision}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_model_file(draft, "preprocessor_config.json", processor));
  LUTHIER_CHECK(write_scene_rows(draft, caption_row, /*pictures=*/true));
  LUTHIER_TRY(Recipe recipe, card_recipe(draft, "contrastive", "full", {"training.max_length=56"}));
  return StagedRecipe{{}, {{"contrast", false, std::move(recipe)}}};
}

}  // namespace

LabCard sigmoid_card() {
  LabCard card;
  card.key = "sigmoid";
  card.title = "Each pair judged by itself (SigLIP)";
  card.place = {CardPlace::Fusion::Late, CardPlace::Mechanism::Contrast,
                CardPlace::Pattern::TwoTowers, "contrastive", CardPlace::Mask::Apart};
  card.learns =
      "Two towers again, but each picture and text of the batch are asked by themselves whether "
      "they belong together: one yes for thirty-one times no.";
  card.look =
      "The square of likenesses is that of the other card; what differs is that no row and no "
      "column has to come to one, so that a batch may be parted.";
  card.figure = "eval_accuracy/text";
  card.figure_is = "texts that find their picture, of 32";
  card.chance = 1.0 / 32;
  card.goal = 0.3;
  card.steps = 500;
  card.minutes = 2.5;
  card.write = write_sigmoid;
  return card;
}

}  // namespace luthier
