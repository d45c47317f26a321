// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/rollouts.h"

namespace luthier {

std::string rollouts_of(const Recipe& recipe) {
  const std::string key = recipe.objective + ".rollouts";
  return recipe.more.json(key) ? recipe.more.text(key) : std::string();
}

std::vector<std::string> training_files(const Recipe& recipe) {
  const std::string given = rollouts_of(recipe);
  return given.empty() ? recipe.dataset : std::vector<std::string>{given};
}

}  // namespace luthier
