// SPDX-License-Identifier: GPL-3.0-or-later
// The loss that a recipe gives some rows, with everything that an oracle wants to compare.
#include <memory>

#include "app/cli/recipe_place.h"
#include "app/cli/tensor_output.h"
#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/config/recipe_help.h"
#include "engine/config/rollouts.h"
#include "engine/device/failure.h"
#include "engine/io/output_place.h"
#include "engine/methods/adapter.h"
#include "engine/session/run_observer.h"
#include "engine/train/row_loss.h"

namespace luthier::cli {

namespace {

struct LossOptions {
  std::string recipe, rows, out;
  std::vector<std::string> set;
};

Status loss(const LossOptions& o) try {
  LUTHIER_CHECK(check_output_file(o.out));
  std::vector<std::string> settings = o.set;
  settings.push_back("dataset=" + Json::array({o.rows}).dump());
  LUTHIER_TRY(Recipe recipe, read_recipe(o.recipe, settings));
  // Samples are learned from as the rows bring them along.
  if (const std::string key = rollouts_key(recipe); !key.empty())
    recipe.more.set_json(key, Json(o.rows).dump());
  // Nothing is written but --out, so a recipe needs no folder for its run here.
  if (recipe.output_dir.empty()) recipe.output_dir = o.out + ".run";
  LUTHIER_CHECK(check_recipe(recipe));
  const std::string init_from = recipe.adapter.init_from;
  LUTHIER_TRY(recipe.adapter, settings_to_train(recipe));
  recipe.adapter.init_from = init_from;
  use_all_cores();
  LoadOptions load = load_options(recipe);
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel base, load_model(recipe.model, load));
  LUTHIER_TRY(auto tensors, loss_of_rows(base, recipe, o.rows));
  return write_tensors(o.out, std::move(tensors));
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out while the loss was computed.", o.recipe,
                    "Give fewer or shorter rows: all of them are one micro-batch."),
      machine_error("The loss could not be computed: " + first_line(problem.what()), o.recipe));
}

}  // namespace

Action add_loss(CLI::App& app) {
  const auto o = std::make_shared<LossOptions>();
  app.add_option("RECIPE", o->recipe, "A recipe (YAML)")->required();
  app.add_option("--rows", o->rows, "The rows, all of them one micro-batch (JSONL or JSON)")
      ->required();
  app.add_option("--out", o->out, "The safetensors file to write")->required();
  app.add_option("--set", o->set, "KEY=VALUE: a setting in place of the recipe's (several times)")
      ->allow_extra_args(false);
  app.footer(recipe_help());
  return [o] { return in_recipe_file(loss(*o), o->recipe); };
}

}  // namespace luthier::cli
