// SPDX-License-Identifier: GPL-3.0-or-later
// Settings of the methods that hang on modules of numbered layers: which layers.
#pragma once

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier::rows {

inline Row layers_to_transform() {
  return kind_names("adapter.layers_to_transform", "Layers",
                    "Numbers of the layers whose target modules get an adapter; empty: all.")
      .numbers()
      .advanced();
}

inline Row layers_pattern() {
  return kind_names("adapter.layers_pattern", "Lists of layers",
                    "What stands before a layer's number in a module's name (layers, blocks); "
                    "empty: anything.")
      .advanced();
}

}  // namespace luthier::rows

namespace luthier {

/// Layers are chosen among modules that a list names. A folder to go on from says them itself.
inline Status check_layers_of(const Recipe& recipe) {
  const AdapterSettings& adapter = recipe.adapter;
  if (!adapter.init_from.empty()) return {};
  const std::vector<std::string> layers = adapter.more.names("adapter.layers_to_transform");
  for (const std::string& layer : layers) {
    if (!layer.empty() && layer.size() < 9 &&
        layer.find_first_not_of("0123456789") == std::string::npos)
      continue;
    return cross_fault("adapter.layers_to_transform",
                       "holds \"" + layer + "\", which is no layer's number.",
                       "Layers are counted from 0.");
  }
  const bool patterns = !adapter.more.names("adapter.layers_pattern").empty();
  if (layers.empty()) {
    if (!patterns) return {};
    return cross_fault("adapter.layers_pattern", "says nothing without layers.",
                       "Give their numbers in adapter.layers_to_transform.");
  }
  if (adapter.target_modules.kind == ModuleSelector::Kind::Names) return {};
  return cross_fault("adapter.layers_to_transform",
                     "chooses among modules that adapter.target_modules names in a list.",
                     "Write the targets as a list of names.");
}

}  // namespace luthier
