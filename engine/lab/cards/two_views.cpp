// SPDX-License-Identifier: GPL-3.0-or-later
// Two views of one picture (SimCLR, Chen et al. 2020): a ViT whose head's numbers
// are the points.
#include "engine/data/class_options.h"
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_vit.h"

namespace luthier {

namespace {

constexpr int kViewNumbers = 32;

Json viewed_row(const LabScene&, const std::string& picture) { return {{"image", picture}}; }

Result<StagedRecipe> write_two_views(const CardDraft& draft) {
  Json config = small_vit(12);
  config["model_type"] = "vit";
  config["dtype"] = "float32";
  ClassOptions numbers;
  numbers.says = ClassOptions::Says::Number;
  for (int i = 0; i < kViewNumbers; ++i) numbers.names.push_back(std::to_string(i));
  write_class_options(numbers, "ViTForImageClassification", config);
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_model_file(draft, "preprocessor_config.json", small_vit_processor()));
  LUTHIER_CHECK(write_scene_rows(draft, viewed_row, /*pictures=*/true));
  LUTHIER_TRY(Recipe recipe,
              card_recipe(draft, "two_views", "full",
                          {"training.learning_rate=1e-3", "two_views.temperature=0.2",
                           "two_views.smallest=0.5", "two_views.jitter=0.4"}));
  return StagedRecipe{{}, {{"views", false, std::move(recipe)}}};
}

}  // namespace

LabCard two_views_card() {
  LabCard card;
  card.key = "two-views";
  card.title = "Two views of one picture (SimCLR)";
  card.place = {CardPlace::Fusion::PictureAlone, CardPlace::Mechanism::Contrast,
                CardPlace::Pattern::EncoderOnly, "two_views", CardPlace::Mask::BothWays};
  card.learns =
      "Each picture is cut, mirrored and recoloured twice by chance. The two views are to lie "
      "nearest to one another among all views of the batch.";
  card.look =
      "Nobody says what a picture shows: what is the same in both views is all there is to go by, "
      "and the other 62 views are the wrong answers.";
  card.figure = "eval_accuracy";
  card.figure_is = "views that find their sibling, of 63";
  card.chance = 1.0 / 63;
  card.goal = 0.35;
  card.steps = 400;
  card.minutes = 2.5;
  card.write = write_two_views;
  return card;
}

}  // namespace luthier
