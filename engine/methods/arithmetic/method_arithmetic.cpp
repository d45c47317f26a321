// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/arithmetic/method_arithmetic.h"

#include <algorithm>
#include <set>

#include "engine/base/text.h"
#include "engine/methods/layer_choice.h"

namespace luthier {

namespace {

using Selects = ModuleSelector::Kind;

/// What the adapter's config says beside its targets of which of them it is on.
Json narrowing(const StoredAdapter& adapter) {
  Json said = Json::array();
  for (const char* key : {"exclude_modules", "layers_to_transform", "layers_pattern"}) {
    const auto found = adapter.config.find(key);
    const bool nothing = found == adapter.config.end() || found->is_null() ||
                         (found->is_array() && found->empty());
    said.push_back(nothing ? Json(nullptr) : *found);
  }
  return said;
}

}  // namespace

std::optional<ModuleSelector> union_of(const std::vector<ModuleSelector>& selectors) {
  const Selects kind = selectors.front().kind;
  std::set<std::string> names;
  std::vector<std::string> patterns;
  for (const ModuleSelector& each : selectors) {
    if (each.kind != kind) return std::nullopt;
    names.insert(each.names.begin(), each.names.end());
    if (std::find(patterns.begin(), patterns.end(), each.regex) == patterns.end())
      patterns.push_back(each.regex);
  }
  ModuleSelector joined{kind, {names.begin(), names.end()}, {}};
  if (kind != Selects::Regex) return joined;
  joined.regex = patterns.front();
  if (patterns.size() == 1) return joined;
  joined.regex.clear();
  for (const std::string& pattern : patterns)
    joined.regex += (joined.regex.empty() ? "(" : "|(") + pattern + ")";
  return joined;
}

Status join_targets(const std::vector<StoredAdapter>& adapters, AdapterSettings& settings) {
  std::vector<ModuleSelector> targets;
  bool alike = true;
  for (const StoredAdapter& adapter : adapters) {
    targets.push_back(adapter.settings.target_modules);
    alike = alike && narrowing(adapter) == narrowing(adapters.front());
    const bool pattern = targets.back().kind == Selects::Regex;
    if (pattern == (targets.front().kind == Selects::Regex)) continue;
    const std::string other = adapters.front().folder.string();
    return input_error(pattern ? "target_modules is a pattern here and a list in " + other + "."
                               : "target_modules is a list here and a pattern in " + other + ".",
                       adapter.where() + ": target_modules",
                       "Write it in all folders in the same way; the tensors stay as they are.");
  }
  const auto joined = union_of(targets);
  const bool narrowed = narrowing(adapters.front())[1] != nullptr;
  if (joined && alike && !narrowed && joined->kind != Selects::None) {
    settings.target_modules = *joined;
    return {};
  }
  settings.target_modules = {Selects::Names, modules_of_any(adapters), {}};
  settings.exclude_modules = {};
  for (const char* key : {kLayers, kLayersPattern})
    if (!settings.more.names(key).empty()) settings.more.set_json(key, "null");
  return {};
}

Error unlike_sizes(const StoredAdapter& first, const StoredAdapter& second,
                   const std::string& tensor, const torch::Tensor& one,
                   const torch::Tensor& other) {
  return input_error("The shape is " + shape_text(other.sizes().vec()) + ", in " +
                         first.folder.string() + " it is " + shape_text(one.sizes().vec()) + ".",
                     second.file.path().string() + ": " + tensor,
                     "The adapters are of unlike bases.");
}

}  // namespace luthier
