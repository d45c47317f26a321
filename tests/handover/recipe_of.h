// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/config/recipe.h"

#include <QtTest>

namespace luthier::test {

/// The recipe of these KEY=VALUE settings, all else as it is by default.
inline Recipe recipe_of(const std::vector<std::string>& settings) {
  auto recipe = parse_recipe("", "test", settings);
  if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
  return recipe.take();
}

}  // namespace luthier::test
