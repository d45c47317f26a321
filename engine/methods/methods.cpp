// SPDX-License-Identifier: GPL-3.0-or-later
// The table of methods, from the one list of their names (config/kind_lists.h).
#include <map>

#include "engine/config/kind_lists.h"
#include "engine/methods/method.h"
#include "engine/methods/token_rows.h"

namespace luthier {

#define LUTHIER_DECLARE_METHOD(name) const Method& name##_method();
LUTHIER_METHODS(LUTHIER_DECLARE_METHOD)
#undef LUTHIER_DECLARE_METHOD

const std::vector<const Method*>& methods() {
#define LUTHIER_METHOD_ROW(name) &name##_method(),
  static const std::vector<const Method*> table{LUTHIER_METHODS(LUTHIER_METHOD_ROW)};
#undef LUTHIER_METHOD_ROW
  return table;
}

Result<const Method*> find_method(const std::string& strategy) {
  std::string known;
  for (const Method* method : methods()) {
    if (strategy == method->name()) return method;
    known += (known.empty() ? "" : ", ") + std::string(method->name());
  }
  return input_error("There is no method \"" + strategy + "\".", "strategy",
                     "Known: " + known + ".");
}

Result<FirstSteps> find_first_steps(const Method& method, const std::vector<NamedPart>& all,
                                    const Recipe& recipe) {
  if (method.first_steps) return method.first_steps(all, recipe);
  FirstSteps steps;
  for (const NamedPart& each : all)
    steps.push_back(method.part_trains(each.part, recipe) ? 0 : kNeverTrains);
  return steps;
}

TrainedShare ModuleMethod::share(std::int64_t parameters, const ModelModule& module,
                                 const ModuleScale& scale, const AdapterSettings& settings) const {
  TrainedShare share{true, false, parameters};
  if (keep) keep(share, module, scale, settings);
  return share;
}

Result<ModuleSelection> ModuleMethod::select(const std::vector<ModelModule>& modules,
                                             const std::string& head,
                                             const AdapterSettings& settings) const {
  LUTHIER_TRY(ModuleSelection selection, select_modules(modules, head, settings, wrapping,
                                                        target_parameters(settings), rank_keys));
  std::map<std::string, const ModelModule*> by_name;
  for (const ModelModule& module : modules) by_name[module.name] = &module;
  for (WrappedModule& wrapped : selection.wrapped) {
    if (check_module) LUTHIER_CHECK(check_module(*by_name.at(wrapped.name), settings));
    std::int64_t parameters = 0;
    for (const TensorSize& size : sizes(*by_name.at(wrapped.name), wrapped.scale, settings)) {
      if (size.trains) parameters += size.elements();
      wrapped.shapes.push_back(size.shape);
    }
    wrapped.share = share(parameters, *by_name.at(wrapped.name), wrapped.scale, settings);
  }
  if (token_rows) LUTHIER_CHECK(select_token_rows(selection, modules, settings, token_rows));
  if (check_selection) LUTHIER_CHECK(check_selection(selection, settings));
  return selection;
}

std::int64_t TensorSize::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

}  // namespace luthier
