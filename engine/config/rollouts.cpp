// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/rollouts.h"

#include <algorithm>

#include "engine/config/kinds.h"
#include "engine/config/number_texts.h"

namespace luthier {

namespace {

/// The objective's own setting of that name; empty: it has none.
std::string own_key(const Recipe& recipe, const char* name) {
  std::string key = recipe.objective + "." + name;
  for (const RecipeField& field : objective_kind(recipe.objective).fields)
    if (field.about.key == key) return key;
  return {};
}

}  // namespace

std::string rollouts_key(const Recipe& recipe) { return own_key(recipe, "rollouts"); }

std::string reward_funcs_key(const Recipe& recipe) { return own_key(recipe, "reward_funcs"); }

bool asks_for_program(const Recipe& recipe) {
  const std::string key = reward_funcs_key(recipe);
  if (key.empty() || !rollouts_of(recipe).empty()) return false;
  const std::vector<std::string> names = recipe.more.names(key);
  return std::find(names.begin(), names.end(), kProgramReward) != names.end();
}

std::vector<double> reward_weights_of(const Recipe& recipe) {
  const std::string key = own_key(recipe, "reward_weights");
  return key.empty() ? std::vector<double>() : numbers_of(recipe.more.names(key));
}

std::string rollouts_of(const Recipe& recipe) {
  const std::string key = rollouts_key(recipe);
  return key.empty() ? std::string() : recipe.more.text(key);
}

}  // namespace luthier
