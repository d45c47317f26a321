// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/companion.h"

#include "engine/io/probe.h"
#include "engine/methods/adapter_folder.h"

namespace luthier {

Result<CompanionStart> companion_start(const CompanionPlan& plan, const Recipe& recipe) {
  const std::filesystem::path folder = plan.folder;
  if (!is_folder(plan.folder))
    return input_error("There is no folder of this name.", plan.field + ": " + plan.folder,
                       "Name what a run with objective: reward has left.");
  CompanionStart start{false, folder, recipe};
  start.recipe.objective = "reward";
  start.recipe.adapter = {};
  start.recipe.strategy = "full";
  std::error_code ignored;
  if (!std::filesystem::exists(folder / Adapter::kConfigFile, ignored)) return start;
  LUTHIER_TRY(const AdapterFolder opened, open_adapter_folder(folder));
  start.adapter = true;
  start.base = recipe.model;
  start.recipe.strategy = opened.method->name();
  start.recipe.adapter.init_from = plan.folder;
  return start;
}

}  // namespace luthier
