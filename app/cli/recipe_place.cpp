// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/recipe_place.h"

namespace luthier::cli {

Error in_recipe_file(Error error, const std::string& file) {
  constexpr std::string_view kUnnamed = "recipe: ";
  if (error.where.starts_with(kUnnamed)) error.where.replace(0, kUnnamed.size(), file + ": ");
  return error;
}

Status in_recipe_file(Status status, const std::string& file) {
  return status ? status : in_recipe_file(status.error(), file);
}

}  // namespace luthier::cli
