// SPDX-License-Identifier: GPL-3.0-or-later
// A coloured shape found by its words (Lüddecke & Ecker 2022): CLIPSeg's decoder over a CLIP that
// was never taught anything. What a drawn tower makes of a patch, and of two words, is enough.
#include <algorithm>
#include <cstdlib>
#include <span>

#include "engine/base/base64.h"
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_vit.h"

namespace luthier {

namespace {

constexpr std::uint64_t kSoughtThing = 0x7365656b;

/// The pixels of the things that are like this one: those that another colour would change, by half
/// of what it changes at most, so that a border's pixel goes to who has more of it.
Image pixels_of(const LabScene& scene, const SceneObject& sought) {
  LabScene other = scene;
  for (SceneObject& object : other.scene.objects) {
    if (object.shape != sought.shape || object.colour != sought.colour) continue;
    object.colour = sought.colour == Colour::Blue ? Colour::Yellow : Colour::Blue;
  }
  const Image one = lab_picture(scene), changed = lab_picture(other);
  const std::size_t pixels = one.rgb.size() / 3;
  std::vector<int> differs(pixels);
  int most = 0;
  for (std::size_t i = 0; i < one.rgb.size(); ++i)
    differs[i / 3] += std::abs(int{one.rgb[i]} - int{changed.rgb[i]});
  for (const int each : differs) most = std::max(most, each);
  Image mask{one.width, one.height, std::vector<std::uint8_t>(one.rgb.size(), 0)};
  for (std::size_t i = 0; i < pixels; ++i)
    if (2 * differs[i] > most)
      for (std::size_t channel = 0; channel < 3; ++channel) mask.rgb[3 * i + channel] = 255;
  return mask;
}

/// One of a scene's things by its words, and its pixels as a picture within the row.
Json sought_row(const LabScene& scene, const std::string& picture) {
  RandomStream random(scene.draw, kSoughtThing);
  const auto& objects = scene.scene.objects;
  const SceneObject& sought =
      objects[static_cast<std::size_t>(random.below(static_cast<int>(objects.size())))];
  const auto png = encode_png(pixels_of(scene, sought));
  const std::string mask =
      png ? encode_base64(std::as_bytes(std::span(png->data(), png->size()))) : std::string();
  return {{"image", picture},
          {"text", "the " + colour_word(sought.colour) + " " + shape_word(sought.shape)},
          {"mask", "data:image/png;base64," + mask}};
}

Result<StagedRecipe> write_segments(const CardDraft& draft) {
  const std::string start = "<|startoftext|>", end = "<|endoftext|>";
  const WordTokenizer words{
      {start, end},
      {},
      {{"bos_token", start}, {"eos_token", end}, {"pad_token", end}, {"unk_token", end}},
      {start},
      {end},
      16};
  const Json layers = {
      {"hidden_size", 96},        {"intermediate_size", 256},   {"num_hidden_layers", 3},
      {"num_attention_heads", 4}, {"hidden_act", "quick_gelu"}, {"layer_norm_eps", 1e-5},
      {"attention_dropout", 0.0}, {"initializer_range", 0.05},  {"initializer_factor", 1.0}};
  Json text = layers, vision = layers;
  text.update({{"model_type", "clipseg_text_model"},
               {"vocab_size", words.size()},
               {"max_position_embeddings", words.longest},
               {"bos_token_id", words.id(start)},
               {"eos_token_id", words.id(end)},
               {"pad_token_id", words.id(end)}});
  vision.update({{"model_type", "clipseg_vision_model"},
                 {"image_size", kScenePixels},
                 {"patch_size", 8},
                 {"num_channels", 3}});
  const Json config = {{"architectures", {"CLIPSegForImageSegmentation"}},
                       {"model_type", "clipseg"},
                       {"dtype", "float32"},
                       {"projection_dim", 64},
                       {"logit_scale_init_value", 2.6592},
                       {"extract_layers", {0, 1, 2}},
                       {"reduce_dim", 64},
                       {"decoder_num_attention_heads", 4},
                       {"decoder_intermediate_size", 256},
                       {"conditional_layer", 0},
                       {"use_complex_transposed_convolution", false},
                       {"text_config", text},
                       {"vision_config", vision}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_model_file(draft, "preprocessor_config.json", small_vit_processor()));
  LUTHIER_CHECK(write_scene_rows(draft, sought_row, /*pictures=*/true, /*training=*/4096));
  LUTHIER_TRY(Recipe recipe,
              card_recipe(draft, "segmentation", "freeze",
                          {"training.learning_rate=3e-3", "training.max_length=16"}));
  return StagedRecipe{{}, {{"segments", false, std::move(recipe)}}};
}

}  // namespace

LabCard segments_card() {
  LabCard card;
  card.key = "segments";
  card.title = "Pixels found by words (CLIPSeg)";
  card.place = {CardPlace::Fusion::Between, CardPlace::Mechanism::Masking,
                CardPlace::Pattern::TwoTowers, "segmentation", CardPlace::Mask::Apart};
  card.learns =
      "A picture and the words of one thing in it go through two towers that stand still. A small "
      "decoder learns to say of each pixel whether it is that thing's.";
  card.look =
      "The words meet the picture as one vector, which scales and shifts what every patch says; "
      "with other words the same picture gives other pixels.";
  card.figure = "eval_iou";
  card.figure_is = "of the pixels said or meant, both";
  card.chance = 0.05;
  card.goal = 0.7;
  card.steps = 800;
  card.minutes = 2.5;
  card.write = write_segments;
  return card;
}

}  // namespace luthier
