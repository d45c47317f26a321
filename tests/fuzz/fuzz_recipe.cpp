// SPDX-License-Identifier: GPL-3.0-or-later
// A recipe from anywhere: read without a crash, and what is accepted is written so that it reads
// back equal.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/config/recipe.h"
#include "engine/config/stages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto recipe = luthier::parse_recipe(text, "fuzz.yaml");
  if (recipe) {
    const auto again = luthier::parse_recipe(luthier::recipe_to_yaml(*recipe), "again.yaml");
    if (!again || !luthier::recipe_differences(*recipe, *again).empty()) std::abort();
    for (const auto& field : luthier::recipe_fields()) {
      luthier::Recipe copy = *recipe;
      const auto value = luthier::get_field(*recipe, field.key);
      if (!value || !luthier::set_field(copy, field.key, *value) ||
          !luthier::recipe_differences(*recipe, copy).empty())
        std::abort();
    }
    (void)luthier::check_recipe(*recipe);
  }
  if (const auto staged = luthier::parse_staged_recipe(text, "fuzz.yaml"); staged && *staged) {
    const std::string yaml = luthier::staged_recipe_to_yaml(**staged);
    const auto again = luthier::parse_staged_recipe(yaml, "again.yaml");
    if (!again || !*again || luthier::staged_recipe_to_yaml(**again) != yaml) std::abort();
  }
  const auto overridden = luthier::parse_recipe("", "fuzz.yaml", {text});
  if (!overridden && overridden.error().sentence().empty()) std::abort();
  return 0;
}
