// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/optim/rates.h"

namespace luthier {

double rate_of(const TrainedTensor& trained, const Recipe& recipe) {
  const KindValues& more = recipe.more;
  for (const char* part : {"vision_tower", "projector", "language_model"}) {
    if (trained.part != part) continue;
    const std::string key = "training." + trained.part + "_learning_rate";
    if (const auto rate = more.optional_number(key)) return *rate;
  }
  if (trained.plug) {
    if (const auto rate = more.optional_number("training.adapter_learning_rate")) return *rate;
  }
  if (recipe.training.optim == "muon" && trained.use == TensorUse::Matrix) {
    if (const auto rate = more.optional_number("training.muon_learning_rate")) return *rate;
  }
  return recipe.training.learning_rate;
}

void give_rates(std::vector<TrainedTensor>& tensors, const Recipe& recipe) {
  const double common = recipe.training.learning_rate;
  for (TrainedTensor& trained : tensors)
    trained.rate = common > 0 ? rate_of(trained, recipe) / common : 1;
}

}  // namespace luthier
