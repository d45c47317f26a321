// SPDX-License-Identifier: GPL-3.0-or-later
// The fresh adapter of a recipe, as a folder: what its run would start with.
#include <memory>

#include "app/cli/adapter.h"
#include "engine/base/text.h"
#include "engine/config/recipe_help.h"
#include "engine/device/exact_math.h"
#include "engine/device/failure.h"
#include "engine/io/files.h"
#include "engine/methods/adapter.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/method.h"
#include "engine/session/run_observer.h"
#include "engine/train/eva_rows.h"

namespace luthier::cli {

namespace {

struct AdapterInitOptions {
  std::string recipe, out;
  std::vector<std::string> set;
};

Status init_adapter(const AdapterInitOptions& o) try {
  LUTHIER_TRY(Recipe recipe, read_recipe(o.recipe, o.set));
  // Nothing is written but --out, so a recipe needs no folder for its run here.
  if (recipe.output_dir.empty()) recipe.output_dir = o.out + ".run";
  LUTHIER_CHECK(check_recipe(recipe));
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (!method->hangs_adapter())
    return input_error("The method " + recipe.strategy + " has no adapter.", "strategy");
  if (!recipe.adapter.init_from.empty())
    return input_error("The recipe goes on from a folder, which is its start.", "adapter.init_from",
                       "Take it out for a fresh adapter.");
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(o.out));
  LoadOptions load = load_options(recipe);
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel base, load_model(recipe.model, load));
  const ExactMath exact(base.model->device());  // as its run would
  LUTHIER_TRY(auto adapter, adapter_by_rows(base, recipe, [](std::int64_t) {
                return !interrupted().stop_requested();
              }));
  if (!adapter) {
    LUTHIER_TRY(adapter, create_adapter(base, recipe.strategy, recipe.adapter,
                                        static_cast<std::uint64_t>(recipe.training.seed)));
  }
  LUTHIER_CHECK(adapter->save(writer.path(), recipe.model));
  LUTHIER_CHECK(write_adapter_notes(writer.path(), base.pixels));
  LUTHIER_CHECK(writer.commit());
  print_line("A fresh adapter (" + recipe.strategy + ") for " + recipe.model + ": " + o.out);
  return {};
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("Memory ran out while the adapter was made.", o.recipe),
      machine_error("The adapter could not be made: " + first_line(problem.what()), o.recipe));
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
