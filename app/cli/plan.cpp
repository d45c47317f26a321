// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/device/card_choice.h"
#include "engine/session/headless.h"

namespace luthier::cli {

namespace {

void show(const MemoryForecast& forecast, const Recipe& recipe) {
  const MemoryParts& parts = forecast.parts;
  std::vector<std::pair<const char*, std::int64_t>> rows = {
      {"weights", parts.weights},         {"adapter", parts.adapter},
      {"gradients", parts.gradients},     {"optimizer", parts.optimizer},
      {"activations", parts.activations}, {"workspace", parts.workspace}};
  if (parts.recordings > 0) rows.emplace_back("recordings", parts.recordings);
  if (parts.context > 0) {
    rows.insert(rows.end(), {{"CUDA context", parts.context},
                             {"cuBLAS", parts.libraries},
                             {"fragmentation", parts.fragmentation}});
  }
  rows.insert(rows.end(), {{"total", parts.total()}, {"available", forecast.available}});
  for (const auto& [name, bytes] : rows) {
    char line[96];
    std::snprintf(line, sizeof line, "%-13s %12s", name,
                  bytes < 0 ? "not known" : size_text(bytes).c_str());
    print_line(line);
  }
  print_line(forecast.device + ", " + forecast.dtype + ", gradient checkpointing " +
             (forecast.gradient_checkpointing ? "on" : "off") + ", " +
             grouped(forecast.batch_tokens) + " tokens in the largest micro-batch");
  if (parts.paged > 0) {
    print_line(size_text(parts.paged) +
               " of the optimizer's state wait in the machine's memory beside it.");
  }
  if (!forecast.known()) print_line(unknown_room(forecast));
  if (forecast.device == "cpu") {
    const std::string proposal = type_proposal(recipe.training.dtype, narrow_products());
    if (!proposal.empty()) print_line(proposal);
  }
  if (!forecast.fits()) print_line("It will not fit. What would lower it:");
  for (const std::string& advice : forecast.advice) print_line("  " + advice);
}

}  // namespace

Action add_plan(CLI::App& app) {
  struct PlanOptions {
    std::string recipe;
    std::vector<std::string> set;
    bool json = false;
  };
  const auto o = std::make_shared<PlanOptions>();
  app.add_option("RECIPE", o->recipe, "A recipe (YAML)")->required();
  app.add_option("--set", o->set, "KEY=VALUE: a setting in place of the recipe's (several times)")
      ->allow_extra_args(false);
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o]() -> Status {
    LUTHIER_TRY(const Recipe recipe, read_recipe(o->recipe, o->set));
    LUTHIER_TRY(const MemoryForecast forecast, plan(recipe));
    if (o->json)
      print_json(to_json(forecast));
    else
      show(forecast, recipe);
    return {};
  };
}

}  // namespace luthier::cli
