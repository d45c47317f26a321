// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/optim/rates.h"

#include "engine/config/recipe_field.h"
#include "engine/optim/loraplus.h"

namespace luthier {
namespace {

/// The number of a setting that the recipe's kinds have and that is set.
std::optional<double> number_set(const Recipe& recipe, const std::string& key) {
  const RecipeField* field = exact_field(key);
  if (!field || !applies(field->about, recipe)) return std::nullopt;
  return recipe.more.optional_number(key);
}

}  // namespace

double rate_of(const TrainedTensor& trained, const Recipe& recipe) {
  for (const char* part : {"vision_tower", "projector", "language_model"}) {
    if (trained.part != part) continue;
    const std::string key = "training." + trained.part + "_learning_rate";
    if (const auto rate = number_set(recipe, key)) return *rate;
  }
  if (trained.plug) {
    if (const auto rate = number_set(recipe, "training.adapter_learning_rate")) return *rate;
  }
  if (trained.use == TensorUse::Matrix) {
    if (const auto rate = number_set(recipe, "training.muon_learning_rate")) return *rate;
  }
  return recipe.training.learning_rate;
}

void give_rates(std::vector<TrainedTensor>& tensors, const Recipe& recipe,
                const std::vector<bool>& in_layer_norm) {
  const double common = recipe.training.learning_rate;
  const auto ratio = number_set(recipe, "training.loraplus_lr_ratio");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].rate = common > 0 ? rate_of(tensors[i], recipe) / common : 1;
    const bool in_norm = !in_layer_norm.empty() && in_layer_norm[i];
    if (ratio) join_loraplus_group(tensors[i], in_norm, *ratio, recipe);
  }
}

}  // namespace luthier
