// SPDX-License-Identifier: GPL-3.0-or-later
// What trains under a recipe, from names and shapes alone: the same selection that the adapters
// make on the real modules.
#include <map>

#include "engine/config/kinds.h"
#include "engine/forecast/trained.h"
#include "engine/methods/adapter.h"

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
      const bool fixed = module.part == "vision_tower" ? freeze.vision_tower
                         : module.part == "projector"  ? freeze.projector
                                                       : freeze.language_model;
      if (recipe.strategy == "full" || !fixed) trained.push_back({&module, 0, module.parameters});
    }
    if (trained.empty())
      return input_error("Nothing would train.", "freeze", "Leave at least one part unfrozen.");
    return trained;
  }
  LUTHIER_TRY(const ModuleSelection selection, planned_selection(model, recipe));
  std::map<std::string, std::int64_t> ranks;  // of wrapped modules by name; 0: trained whole
  for (const WrappedModule& wrapped : selection.wrapped) ranks[wrapped.name] = wrapped.scale.rank;
  for (const std::string& saved : selection.saved) ranks[saved] = 0;
  for (const ModuleSummary& module : model.modules) {
    const auto found = ranks.find(module.name);
    if (found == ranks.end()) continue;
    const std::int64_t rank = found->second;
    if (rank > 0 && module.shape.size() == 2) {
      trained.push_back({&module, rank, rank * (module.shape[0] + module.shape[1])});
    } else if (rank == 0) {
      // A tied head has no weight of its own in the base, but its trained copy has.
      trained.push_back(
          {&module, 0, module.parameters > 0 ? module.parameters : elements(module.shape)});
    }
  }
  return trained;
}

std::vector<std::pair<std::string, TrainedShare>> shares(const std::vector<TrainedModule>& trained,
                                                         const Recipe& recipe) {
  // The product of a plug with dropout has two more copies of its input in its backward.
  const bool dropout = recipe.strategy == "lora" && recipe.adapter.lora_dropout > 0;
  std::vector<std::pair<std::string, TrainedShare>> shares;
  for (const TrainedModule& each : trained) {
    shares.emplace_back(each.module->name, TrainedShare{true, each.rank == 0, each.parameters,
                                                        each.rank, dropout ? 3 : 1});
  }
  return shares;
}

std::int64_t optimizer_bytes(const std::vector<TrainedModule>& trained, const Recipe& recipe) {
  const StateLayout layout = optimizer_kind(recipe.training.optim).state;
  std::int64_t bytes = 0;
  for (const TrainedModule& each : trained) {
    const std::vector<std::int64_t>& shape = each.module->shape;
    if (each.rank > 0) {
      bytes +=
          state_bytes(layout, {each.rank, shape[1]}) + state_bytes(layout, {shape[0], each.rank});
      continue;
    }
    bytes += state_bytes(layout, shape);
    const std::int64_t bias = each.parameters - elements(shape);
    if (bias > 0) bytes += state_bytes(layout, {bias});
  }
  return bytes;
}

Result<TrainedModules> trained_modules(const ModelSummary& model, const Recipe& asked) {
  Recipe recipe = asked;
  LUTHIER_TRY(recipe.adapter, settings_to_train(asked));
  LUTHIER_TRY(const auto trained, list_trained(model, recipe));
  TrainedModules result;
  for (const TrainedModule& each : trained) {
    result.parameters += each.parameters;
    if (each.rank > 0)
      result.wrapped.push_back(each.module->name);
    else if (recipe.strategy == "lora")
      result.saved.push_back(each.module->name);
  }
  return result;
}

}  // namespace luthier
