// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/rollouts.h"

#include "engine/config/kinds.h"

namespace luthier {

std::string rollouts_key(const Recipe& recipe) {
  std::string key = recipe.objective + ".rollouts";
  for (const RecipeField& field : objective_kind(recipe.objective).fields)
    if (field.about.key == key) return key;
  return {};
}

std::string rollouts_of(const Recipe& recipe) {
  const std::string key = rollouts_key(recipe);
  return key.empty() ? std::string() : recipe.more.text(key);
}

}  // namespace luthier
