// SPDX-License-Identifier: GPL-3.0-or-later
#include <memory>

#include "app/cli/recipe_place.h"
#include "app/cli/verbs.h"
#include "engine/data/media_limits.h"
#include "engine/models/loaded_model.h"
#include "engine/train/slow_step.h"

namespace luthier::cli {

namespace {

struct StepVerbOptions {
  std::string recipe;
  std::vector<std::string> overrides;
  SlowStepRequest request;
  std::size_t row = 1;
  bool json = false;
};

std::string norm_line(const char* name, const ShownMatrix& matrix) {
  char line[160];
  std::snprintf(line, sizeof line, "  %-22s [%lld x %lld]  norm %.6g  largest %.6g", name,
                static_cast<long long>(matrix.rows), static_cast<long long>(matrix.columns),
                matrix.norm, matrix.largest);
  return line;
}

void print_step(const SlowStep& step) {
  print_line(step.module + ", rank " + std::to_string(step.rank) + ", step " +
             std::to_string(step.step) + " of " + step.optimizer);
  for (const auto& [name, matrix] : {std::pair{"A", &step.a},
                                     {"B", &step.b},
                                     {"gradient of A", &step.gradient_a},
                                     {"gradient of B", &step.gradient_b},
                                     {"A moves by", &step.moved_a},
                                     {"B moves by", &step.moved_b},
                                     {"dW before", &step.change_before},
                                     {"dW after", &step.change_after},
                                     {"W, which stays", &step.weight}})
    print_line(norm_line(name, *matrix));
  print_line("Loss: " + std::to_string(step.before.mean) + " before, " +
             std::to_string(step.after.mean) + " after.");
  for (const StepMoment& moment : step.moments)
    print_line("  " + moment.name + ": " + grouped(moment.memory.tensors()) + " bytes in tensors");
}

Status step_slowly(StepVerbOptions o) {
  if (o.row < 1) return input_error("Rows count from 1.", "--row");
  o.request.row = o.row - 1;
  LUTHIER_TRY(const Recipe recipe, read_recipe(o.recipe, o.overrides));
  LoadOptions options;
  options.device = recipe.training.device;
  options.dtype = recipe.training.dtype;
  options.pixels = media_limits(recipe);
  const auto go_on = [] { return !interrupted().stop_requested(); };
  options.go_on = [&](double) { return go_on(); };
  LUTHIER_TRY(LoadedModel base, load_model(recipe.model, options));
  LUTHIER_TRY(const SlowStep step, take_slow_step(base, recipe, o.request, go_on));
  if (o.json)
    print_json(to_json(step));
  else
    print_step(step);
  return {};
}

}  // namespace

Action add_step(CLI::App& app) {
  const auto o = std::make_shared<StepVerbOptions>();
  app.add_option("RECIPE", o->recipe, "A recipe's YAML file")->required();
  app.add_option("--set", o->overrides, "KEY=VALUE, in place of the recipe's")
      ->allow_extra_args(false);
  app.add_option("--row", o->row, "Which row of its dataset, from 1")->capture_default_str();
  app.add_option("--module", o->request.module, "Whose pair of matrices (else the first)");
  app.add_option("--steps-before", o->request.steps_before,
                 "Steps taken on the row before the one that is shown")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return in_recipe_file(step_slowly(*o), o->recipe); };
}

}  // namespace luthier::cli
