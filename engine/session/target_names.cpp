// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/target_names.h"

#include "engine/methods/module_selection.h"

namespace luthier {

std::vector<std::string> target_names(const ModelSummary& model,
                                      const std::set<std::string>& chosen) {
  if (chosen.empty()) return {};
  const std::vector<ModelModule> modules = all_modules(model);
  std::vector<std::string> others;
  bool all = true;
  for (const ModelModule& module : modules) {
    const bool in = chosen.contains(module.name);
    if (module.linear() && in == (module.name == model.head)) all = false;
    if (!in) others.push_back(module.name);
  }
  if (all) return {"all-linear"};
  return shortest_endings({chosen.begin(), chosen.end()}, others);
}

}  // namespace luthier
