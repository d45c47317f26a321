// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/companion.h"

#include "engine/methods/adapter_folder.h"
#include "engine/objectives/reward_model.h"

namespace luthier {

Result<CompanionStart> companion_start(const CompanionPlan& plan, const Recipe& recipe) {
  const std::filesystem::path folder = plan.folder;
  LUTHIER_CHECK(check_judge(folder, plan.field));
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
