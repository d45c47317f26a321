// SPDX-License-Identifier: GPL-3.0-or-later
// What trains under a recipe, from names and shapes alone: the same selection that the adapters make on the real modules.
#include <algorithm>

#include "engine/adapters/adapter.h"
#include "engine/adapters/module_selection.h"
#include "engine/forecast/trained.h"

namespace luthier {
namespace {

/// Elements of a weight by its shape, and of the whole module.
std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

}  // namespace

Result<std::vector<TrainedModule>> list_trained(const ModelSummary& model, const Recipe& recipe) {
  std::vector<TrainedModule> trained;
  if (recipe.strategy != "lora") {
    const FreezeSettings& freeze = recipe.freeze;
    for (const ModuleSummary& module : model.modules) {
      const bool fixed = module.part == "vision_tower" ? freeze.vision_tower : module.part == "projector" ? freeze.projector : freeze.language_model;
      if (recipe.strategy == "full" || !fixed) trained.push_back({&module, 0, module.parameters});
    }
    if (trained.empty()) return input_error("Nothing would train.", "freeze", "Leave at least one part unfrozen.");
    return trained;
  }
  std::vector<std::string> linears;
  std::string head;
  for (const ModuleSummary& module : model.modules) {
    const bool embedding = is_token_embedding(module.name) && recipe.adapter.target_modules.kind != ModuleSelector::Kind::AllLinear;
    if (module.type != "Linear" && !embedding) continue;
    linears.push_back(module.name);
    if (module.name == "lm_head" || module.name.ends_with(".lm_head")) head = module.name;
  }
  LUTHIER_TRY(const std::vector<std::string> wrapped, select_modules(linears, head, recipe.adapter));
  for (const ModuleSummary& module : model.modules) {
    if (is_saved_module(module.name, recipe.adapter.modules_to_save)) {
      // A tied head has no weight of its own in the base, but its trained copy has.
      trained.push_back({&module, 0, module.parameters > 0 ? module.parameters : elements(module.shape)});
    } else if (std::find(wrapped.begin(), wrapped.end(), module.name) != wrapped.end() && module.shape.size() == 2) {
      const std::int64_t rank = rank_of(module.name, recipe.adapter);
      trained.push_back({&module, rank, rank * (module.shape[0] + module.shape[1])});
    }
  }
  return trained;
}

Result<TrainedModules> trained_modules(const ModelSummary& model, const Recipe& asked) {
  Recipe recipe = asked;
  LUTHIER_TRY(recipe.adapter, settings_to_train(asked));
  LUTHIER_TRY(const auto trained, list_trained(model, recipe));
  TrainedModules result;
  for (const TrainedModule& each : trained) {
    result.parameters += each.parameters;
    if (each.rank > 0) result.wrapped.push_back(each.module->name);
    else if (recipe.strategy == "lora") result.saved.push_back(each.module->name);
  }
  return result;
}

}  // namespace luthier
