// SPDX-License-Identifier: GPL-3.0-or-later
// The fresh adapter of a recipe, as a folder: what its run would start with.
#include <memory>

#include "app/cli/adapter.h"
#include "engine/config/recipe_help.h"
#include "engine/io/files.h"
#include "engine/train/fresh_adapter.h"

namespace luthier::cli {

namespace {

struct AdapterInitOptions {
  std::string recipe, out;
  std::vector<std::string> set;
};

Status init_adapter(const AdapterInitOptions& o) {
  LUTHIER_TRY(Recipe recipe, read_recipe(o.recipe, o.set));
  // Nothing is written but --out, so a recipe needs no folder for its run here.
  if (recipe.output_dir.empty()) recipe.output_dir = o.out + ".run";
  LUTHIER_CHECK(check_recipe(recipe));
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(o.out));
  LUTHIER_CHECK(
      write_fresh_adapter(recipe, writer.path(), [] { return !interrupted().stop_requested(); }));
  LUTHIER_CHECK(writer.commit());
  print_line("A fresh adapter (" + recipe.strategy + ") for " + recipe.model + ": " + o.out);
  return {};
}

}  // namespace

Action add_adapter_init(CLI::App& app) {
  const auto o = std::make_shared<AdapterInitOptions>();
  app.add_option("RECIPE", o->recipe, "A recipe (YAML)")->required();
  app.add_option("--out", o->out, "The folder to write")->required();
  app.add_option("--set", o->set, "KEY=VALUE: a setting in place of the recipe's (several times)")
      ->allow_extra_args(false);
  app.footer(recipe_help());
  return [o] { return init_adapter(*o); };
}

}  // namespace luthier::cli
