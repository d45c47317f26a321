// SPDX-License-Identifier: GPL-3.0-or-later
// A class for a picture, by the state of its class token (Dosovitskiy et al. 2021): a ViT of three
// layers over 36 patches.
#include "engine/data/class_options.h"
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_vit.h"

namespace luthier {

namespace {

/// Of the first thing from the top left.
Json colour_row(const LabScene& scene, const std::string& picture) {
  return {{"image", picture}, {"label", colour_word(scene.scene.objects.front().colour)}};
}

Result<StagedRecipe> write_picture_classes(const CardDraft& draft) {
  Json config = small_vit(12);
  config["model_type"] = "vit";
  config["dtype"] = "float32";
  ClassOptions classes;
  for (int colour = 0; colour < kColours; ++colour)
    classes.names.push_back(colour_word(static_cast<Colour>(colour)));
  write_class_options(classes, "ViTForImageClassification", config);
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_model_file(draft, "preprocessor_config.json", small_vit_processor()));
  LUTHIER_CHECK(write_scene_rows(draft, colour_row, /*pictures=*/true));
  LUTHIER_TRY(Recipe recipe,
              card_recipe(draft, "classification", "full", {"training.learning_rate=1e-3"}));
  return StagedRecipe{{}, {{"classes", false, std::move(recipe)}}};
}

}  // namespace

LabCard picture_classes_card() {
  LabCard card;
  card.key = "picture-classes";
  card.title = "A class for a picture (ViT)";
  card.place = {CardPlace::Fusion::PictureAlone, CardPlace::Mechanism::Classes,
                CardPlace::Pattern::EncoderOnly, "classification", CardPlace::Mask::BothWays};
  card.learns =
      "A picture is cut into 36 patches, and a token that stands before them comes to know the "
      "colour of the picture's first thing.";
  card.look =
      "All patches see one another, and one token of the row is learned from: the class token, "
      "which shows nothing of the picture itself.";
  card.figure = "eval_accuracy";
  card.figure_is = "pictures whose first thing's colour is told";
  card.chance = 1.0 / kColours;
  card.goal = 0.85;
  card.steps = 400;
  card.minutes = 1.5;
  card.write = write_picture_classes;
  return card;
}

}  // namespace luthier
