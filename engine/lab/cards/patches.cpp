// SPDX-License-Identifier: GPL-3.0-or-later
// Patches rebuilt (He et al. 2022): a masked autoencoder that sees a quarter of 81 patches.
#include "engine/lab/card_files.h"
#include "engine/lab/cards/cards.h"
#include "engine/lab/cards/small_vit.h"

namespace luthier {

namespace {

Json picture_row(const LabScene&, const std::string& picture) { return {{"image", picture}}; }

Result<StagedRecipe> write_patches(const CardDraft& draft) {
  Json config = small_vit(8);
  config.update({{"architectures", {"ViTMAEForPreTraining"}},
                 {"model_type", "vit_mae"},
                 {"dtype", "float32"},
                 {"decoder_hidden_size", 64},
                 {"decoder_intermediate_size", 192},
                 {"decoder_num_attention_heads", 4},
                 {"decoder_num_hidden_layers", 2},
                 {"mask_ratio", 0.75},
                 {"norm_pix_loss", false}});
  LUTHIER_CHECK(write_model_file(draft, "config.json", config));
  LUTHIER_CHECK(write_model_file(draft, "preprocessor_config.json", small_vit_processor()));
  LUTHIER_CHECK(write_scene_rows(draft, picture_row, /*pictures=*/true));
  LUTHIER_TRY(Recipe recipe,
              card_recipe(draft, "masked_pictures", "full", {"training.learning_rate=1e-3"}));
  return StagedRecipe{{}, {{"patches", false, std::move(recipe)}}};
}

}  // namespace

LabCard patches_card() {
  LabCard card;
  card.key = "patches";
  card.title = "Patches rebuilt (MAE)";
  card.place = {CardPlace::Fusion::PictureAlone, CardPlace::Mechanism::Masking,
                CardPlace::Pattern::EncoderDecoder, "masked_pictures", CardPlace::Mask::BothWays};
  card.learns =
      "Three of four patches are covered. An encoder sees those that are left, and a small decoder "
      "paints the covered ones.";
  card.look =
      "The encoder never meets a covered patch, which makes it cheap; what is learned from are the "
      "covered patches alone.";
  card.figure = "eval_rebuilt";
  card.figure_is = "of the covered patches' variance rebuilt";
  card.chance = 0.0;
  card.goal = 0.7;
  card.steps = 400;
  card.minutes = 1.5;
  card.write = write_patches;
  return card;
}

}  // namespace luthier
