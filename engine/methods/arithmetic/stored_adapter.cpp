// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/arithmetic/stored_adapter.h"

#include <algorithm>
#include <set>

#include "engine/io/files.h"
#include "engine/methods/adapter_folder.h"
#include "engine/methods/adapter_tensors.h"

namespace luthier {

std::string StoredAdapter::where() const { return (folder / Adapter::kConfigFile).string(); }

Result<torch::Tensor> StoredAdapter::read(const std::string& module,
                                          const std::string& suffix) const {
  const std::string place = file.path().string() + ": " + module + suffix;
  if (const auto found = modules.find(module); found != modules.end()) {
    const auto view = found->second.find(suffix);
    if (view != found->second.end()) return read_adapter_tensor(view->second, place);
  }
  return input_error("The tensor " + suffix.substr(1) + " is missing.", place,
                     "The file is incomplete.");
}

Result<StoredAdapter> open_stored_adapter(const std::filesystem::path& folder) {
  LUTHIER_TRY(AdapterFolder opened, open_adapter_folder(folder));
  StoredAdapter adapter;
  adapter.folder = folder;
  adapter.method = opened.method;
  adapter.settings = std::move(opened.settings);
  adapter.file = std::move(opened.file);
  LUTHIER_TRY(adapter.config, read_json_file(adapter.where()));
  if (adapter.file.header().tensors.empty())
    return input_error("The file holds no tensors.", adapter.file.path().string(),
                       "The adapter is empty.");
  const ModuleMethod* of_modules = adapter.method->of_modules;
  const std::vector<std::string> suffixes =
      of_modules ? of_modules->suffixes : std::vector<std::string>();
  const std::string prefix = of_modules ? of_modules->prefix : "";
  for (const auto& [key, info] : adapter.file.header().tensors) {
    const TensorView view = *adapter.file.find(key);
    const auto suffix =
        std::find_if(suffixes.begin(), suffixes.end(),
                     [key = key](const std::string& each) { return key.ends_with(each); });
    if (suffix == suffixes.end() || !key.starts_with(prefix)) {
      adapter.whole.emplace(key, view);
      continue;
    }
    const std::string module =
        key.substr(prefix.size(), key.size() - prefix.size() - suffix->size());
    adapter.modules[module].emplace(*suffix, view);
  }
  return adapter;
}

std::vector<std::string> modules_of_any(const std::vector<StoredAdapter>& adapters) {
  std::set<std::string> names;
  for (const StoredAdapter& adapter : adapters) {
    for (const auto& [name, views] : adapter.modules) names.insert(name);
  }
  return {names.begin(), names.end()};
}

}  // namespace luthier
