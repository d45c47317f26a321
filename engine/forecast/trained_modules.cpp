// SPDX-License-Identifier: GPL-3.0-or-later
// What trains under a recipe, from names and shapes alone: the same selection that the adapters
// make on the real modules.
#include <algorithm>
#include <map>
#include <set>

#include "engine/config/kinds.h"
#include "engine/forecast/trained.h"
#include "engine/methods/conv1d_check.h"
#include "engine/methods/method.h"
#include "engine/models/score_head.h"
#include "engine/objectives/objective.h"
#include "engine/optim/step_room.h"

namespace luthier {
namespace {

/// Elements of a weight by its shape, and of the whole module.
std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

/// A module that trains itself, with its weight and its bias.
TrainedModule whole(const ModelSummary& model, const ModuleSummary& module,
                    std::int64_t parameters) {
  TrainedModule trained{&module, {true, true, parameters}};
  if (module.type == "Embedding") trained.use = TensorUse::Embedding;
  if (module.type == "Linear" && module.name != model.head) trained.use = TensorUse::Matrix;
  if (module.type == "Experts") {  // two stacks, whose states go by their shapes
    const auto shapes = stack_shapes(module.shape);
    trained.shapes.assign(shapes.begin(), shapes.end());
    return trained;
  }
  const std::int64_t weight = std::min(parameters, elements(module.shape));
  if (weight > 0 && weight == elements(module.shape)) trained.shapes.push_back(module.shape);
  const std::int64_t rest = trained.shapes.empty() ? parameters : parameters - weight;
  if (rest > 0) trained.shapes.push_back({rest});
  return trained;
}

/// Of its bias; 0: it has none.
std::int64_t bias_numbers(const ModuleSummary& module) {
  if (module.shape.empty()) return 0;
  return std::max<std::int64_t>(0, module.parameters - elements(module.shape));
}

const ModuleSummary* score_head_of(const ModelSummary& model) {
  const bool last = !model.modules.empty() && model.modules.back().name == kScoreHead;
  return last ? &model.modules.back() : nullptr;
}

/// Of a method that changes the base's own weights.
Result<std::vector<TrainedModule>> list_parts(const ModelSummary& model, const Recipe& recipe,
                                              const Method& method) {
  std::vector<TrainedModule> trained;
  std::vector<NamedPart> all;
  for (const ModuleSummary& module : model.modules) all.push_back({module.name, module.part});
  // Of what trains later, too: the step in which all of it does needs the most.
  LUTHIER_TRY(const FirstSteps steps, find_first_steps(method, all, recipe));
  const ModuleSummary* scores = score_head_of(model);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const ModuleSummary& module = model.modules[i];
    if (scores && module.name == model.head) continue;  // nothing asks for logits
    if ((steps[i] != kNeverTrains || &module == scores) && module.parameters > 0)
      trained.push_back(whole(model, module, module.parameters));
  }
  if (trained.empty())
    return input_error("Nothing would train.", "freeze", "Leave at least one part unfrozen.");
  return trained;
}

/// What hangs on a Conv1D, or trains one beside an adapter: as the adapter's builder refuses it.
Status check_conv1ds(const ModelSummary& model, const ModuleSelection& selection,
                     const Recipe& recipe) {
  std::set<std::string> turned;
  for (const ModuleSummary& module : model.modules)
    if (module.type == "Linear" && is_conv1d_of(model.model_type, module.name))
      turned.insert(module.name);
  if (turned.empty()) return {};
  for (const WrappedModule& each : selection.wrapped)
    if (turned.contains(each.name))
      LUTHIER_CHECK(check_on_conv1d(each.name, recipe.strategy, recipe.adapter));
  for (const std::string& saved : selection.saved)
    if (turned.contains(saved)) return conv1d_not_saved(saved, "adapter.modules_to_save");
  return {};
}

/// The module that a plug's tensors are counted with: its own, of a branch the last one in it, and
/// of what hangs on the model as a whole the first of the text.
const ModuleSummary* module_of(const ModelSummary& model, const std::string& name) {
  const ModuleSummary* within = nullptr;
  for (const ModuleSummary& module : model.modules) {
    if (module.name == name) return &module;
    if (module.name.starts_with(name + ".")) within = &module;
  }
  return within;
}

const ModuleSummary* token_embedding(const ModelSummary& model) {
  for (const ModuleSummary& module : model.modules) {
    if (ModelModule{module.name, module.type}.token_embedding()) return &module;
  }
  return model.modules.empty() ? nullptr : &model.modules.front();
}

}  // namespace

Result<std::optional<ModelSummary>> with_score_head(const ModelSummary& model,
                                                    const Recipe& recipe) {
  LUTHIER_TRY(const std::unique_ptr<Objective> objective, make_objective(recipe));
  const std::int64_t numbers = objective->score_numbers();
  if (numbers == 0) return std::optional<ModelSummary>();
  ModelSummary with = model;
  ModuleSummary head;
  head.name = kScoreHead;
  head.type = kOwnTensor;  // which adapters do not hang on
  head.shape = {numbers, model.geometry.hidden_size};
  head.bias = numbers > 1 ? numbers : 0;
  head.parameters = numbers * model.geometry.hidden_size + head.bias;
  head.dtype = "F32";
  head.part = kLanguageModel;
  head.stays_plain = true;
  with.modules.push_back(std::move(head));
  return std::optional<ModelSummary>(std::move(with));
}

bool has_setting(const Recipe& recipe, const std::string& key) {
  const MethodKind& kind = method_kind(recipe.strategy);
  return std::find(kind.shares.begin(), kind.shares.end(), key) != kind.shares.end() ||
         std::any_of(kind.fields.begin(), kind.fields.end(),
                     [&](const RecipeField& field) { return field.about.key == key; });
}

Result<std::vector<TrainedModule>> list_trained(const ModelSummary& model, const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (method->changes_base()) return list_parts(model, recipe, *method);
  LUTHIER_TRY(const ModuleSelection selection, planned_selection(model, recipe));
  LUTHIER_CHECK(check_conv1ds(model, selection, recipe));
  std::vector<TrainedModule> trained;
  std::map<const ModuleSummary*, TrainedModule> plugged;
  for (const WrappedModule& wrapped : selection.wrapped) {
    const std::string name =
        wrapped.stack ? wrapped.name.substr(0, wrapped.name.rfind('.')) : wrapped.name;
    const ModuleSummary* module = module_of(model, name);
    if (!module) continue;
    TrainedModule& here = plugged[module];
    here.module = module;
    here.share += wrapped.share;
    if (module->name != name) here.branch = name;
    here.shapes.insert(here.shapes.end(), wrapped.shapes.begin(), wrapped.shapes.end());
  }
  if (selection.parameters > 0) {
    if (const ModuleSummary* module = token_embedding(model))
      plugged[module] = {module, {false, false, selection.parameters}, selection.shapes};
  }
  const std::set<std::string> saved(selection.saved.begin(), selection.saved.end());
  const std::set<std::string> biases(selection.biases.begin(), selection.biases.end());
  for (const ModuleSummary& module : model.modules) {
    if (const std::int64_t bias = bias_numbers(module); bias > 0 && biases.contains(module.name)) {
      TrainedModule& here = plugged[&module];
      here.module = &module;
      TrainedShare alone{true, false, bias};
      alone.keeps_input = false;
      here.share += alone;
      here.shapes.push_back({bias});
    }
    const auto found = plugged.find(&module);
    if (found != plugged.end()) {
      trained.push_back(found->second);
    } else if (saved.contains(module.name)) {
      // A tied head has no weight of its own in the base, but its trained copy has.
      const std::int64_t own = module.parameters > 0 ? module.parameters : elements(module.shape);
      trained.push_back(whole(model, module, own));
    } else if (&module == score_head_of(model)) {
      trained.push_back(whole(model, module, module.parameters));
    }
  }
  return trained;
}

std::vector<std::pair<std::string, TrainedShare>> shares(const std::vector<TrainedModule>& trained,
                                                         bool dropout) {
  std::vector<std::pair<std::string, TrainedShare>> shares;
  for (const TrainedModule& each : trained) {
    shares.emplace_back(each.branch.empty() ? each.module->name : each.branch, each.share);
    if (!dropout) shares.back().second.input_copies = 1;
  }
  return shares;
}

std::int64_t optimizer_bytes(const std::vector<TrainedModule>& trained, const Recipe& recipe,
                             std::int64_t element) {
  const StateLayout layout = state_layout(recipe);
  std::int64_t bytes = 0;
  for (const TrainedModule& each : trained) {
    const bool master = each.share.whole && element < 4;  // a plug's tensors are float32
    for (std::size_t i = 0; i < each.shapes.size(); ++i) {
      bytes += state_bytes(layout, each.shape(i)) + (master ? 4 * elements(each.shapes[i]) : 0);
    }
  }
  return bytes;
}

std::int64_t paged_optimizer_bytes(const std::vector<TrainedModule>& trained,
                                   const Recipe& recipe) {
  const StateLayout layout = state_layout(recipe);
  std::int64_t bytes = 0;
  for (const TrainedModule& each : trained) {
    for (std::size_t i = 0; i < each.shapes.size(); ++i)
      bytes += paged_bytes(layout, each.shape(i));
  }
  return bytes;
}

std::int64_t largest_master(const std::vector<TrainedModule>& trained, std::int64_t element) {
  std::int64_t largest = 0;
  if (element >= 4) return 0;
  for (const TrainedModule& each : trained) {
    if (!each.share.whole) continue;
    for (const auto& shape : each.shapes) largest = std::max(largest, 4 * elements(shape));
  }
  return largest;
}

std::int64_t step_bytes(const std::vector<TrainedModule>& trained, const Recipe& recipe,
                        std::int64_t element) {
  std::int64_t listed = 0, largest_listed = 0, most = 0;
  for (const TrainedModule& each : trained) {
    const bool narrow = each.share.whole && element < 4;
    for (std::size_t i = 0; i < each.shapes.size(); ++i) {
      const StepRoom room = step_room(each.shape(i), recipe);
      const std::int64_t wide = narrow ? 4 * elements(each.shapes[i]) : 0;
      std::int64_t alone = 4 * room.floats;
      if (room.gradient == StepRoom::Gradient::Widened) alone += wide;
      most = std::max(most, alone);
      if (room.gradient != StepRoom::Gradient::Listed) continue;
      listed += wide;
      largest_listed = std::max(largest_listed, wide);
    }
  }
  return std::max(most, std::min(listed, kWidenedBytes + largest_listed));
}

Result<std::int64_t> shared_bytes(const ModelSummary& model, const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (!method->of_modules || !method->of_modules->shared) return std::int64_t{0};
  LUTHIER_TRY(const ModuleSelection selection, planned_selection(model, recipe));
  const std::vector<ModelModule> all = all_modules(model);
  std::vector<const ModelModule*> wrapped;
  for (const WrappedModule& each : selection.wrapped) {
    for (const ModelModule& module : all)
      if (module.name == each.name) wrapped.push_back(&module);
  }
  std::int64_t bytes = 0;
  for (const auto& sizes : method->of_modules->shared->sizes(wrapped, recipe.adapter))
    bytes += 4 * elements(sizes);
  return bytes;
}

Result<TrainedModules> trained_modules(const ModelSummary& given, const Recipe& asked) {
  Recipe recipe = asked;
  LUTHIER_TRY(recipe.adapter, settings_to_train(asked));
  LUTHIER_TRY(const std::optional<ModelSummary> scored, with_score_head(given, recipe));
  const ModelSummary& model = scored ? *scored : given;
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  LUTHIER_TRY(const auto trained, list_trained(model, recipe));
  TrainedModules result;
  for (const TrainedModule& each : trained) {
    result.parameters += each.share.parameters;
    auto& names = !each.share.whole        ? result.wrapped
                  : method->changes_base() ? result.base
                                           : result.saved;
    names.push_back(each.module->name);
  }
  return result;
}

}  // namespace luthier
