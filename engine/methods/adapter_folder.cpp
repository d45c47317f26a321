// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter's folder, and a recipe's adapter before and after its base is loaded: which method it
// is of, and what that method's row makes of it.
#include <algorithm>

#include "engine/base/log.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/methods/adapter_folder.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/build_adapter.h"
#include "engine/methods/prompts.h"

namespace luthier {

namespace {

struct FolderConfig {
  const Method* method;
  AdapterSettings settings;
  std::vector<std::string> unknown;  // keys of the config that nothing reads
};

Result<FolderConfig> read_config(const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_adapter_folder(folder));
  const std::string where = (folder / Adapter::kConfigFile).string();
  LUTHIER_TRY(const Json config, read_json_file(where));
  if (!config.is_object()) return input_error("An object is expected.", where);
  LUTHIER_TRY(const std::string type, json_string(config, "peft_type", where));
  std::string known;
  for (const Method* method : methods()) {
    if (!method->hangs_adapter()) continue;
    known += (known.empty() ? "" : ", ") + std::string(method->kind.peft_type);
    if (type != method->kind.peft_type) continue;
    LUTHIER_TRY(AdapterSettings settings, read_settings(*method, config, where));
    return FolderConfig{method, std::move(settings), unknown_fields(method->fields(), config)};
  }
  return input_error("The adapter's method \"" + type + "\" is not known.", where + ": peft_type",
                     "Known: " + known + ".");
}

/// The folder that a recipe goes on from. What it trains must be what the recipe says.
Result<FolderConfig> read_start(const Recipe& recipe) {
  LUTHIER_TRY(FolderConfig config, read_config(recipe.adapter.init_from));
  if (recipe.strategy != config.method->name()) {
    return input_error("The folder's method is " + std::string(config.method->name()) +
                           ", the strategy is " + recipe.strategy + ".",
                       "adapter.init_from",
                       "Write strategy: " + std::string(config.method->name()) +
                           ", or go on from an adapter of the other method.");
  }
  return config;
}

/// The folder's tensor file.
Result<SafetensorsFile> open_tensors(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path tensor_path = folder / Adapter::kTensorFile;
  if (!std::filesystem::exists(tensor_path, ignored) &&
      std::filesystem::exists(folder / "adapter_model.bin", ignored)) {
    return input_error(
        "adapter_model.bin is a pickle, which can run code when it is read.", folder.string(),
        "Save the adapter as safetensors: load it with PEFT and call save_pretrained.");
  }
  return SafetensorsFile::open(tensor_path);
}

/// A fault of the settings, which were read from the folder's config and not from a recipe.
Error in_folder(Error error, const std::filesystem::path& folder) {
  const std::string config = (folder / Adapter::kConfigFile).string() + ": ", of = "adapter.";
  if (error.where.starts_with(of)) error.where = config + error.where.substr(of.size());
  if (error.where == "strategy") error.where = config + "peft_type";
  return error;
}

/// What a method of the model as a whole trains.
Result<ModuleSelection> whole_selection(const Method& method, const ModelSummary& model,
                                        const AdapterSettings& settings) {
  ModuleSelection selection;
  LUTHIER_CHECK(virtual_tokens_fit(*method.of_whole, settings, model));
  if (method.of_whole->place) {
    LUTHIER_TRY(WrappedModule place, method.of_whole->place(model, settings));
    for (const TensorSize& size : method.of_whole->sizes(model.geometry, settings)) {
      place.share.parameters += size.elements();
      place.shapes.push_back(size.shape);
    }
    selection.wrapped.push_back(std::move(place));
    return selection;
  }
  for (const TensorSize& size : method.of_whole->sizes(model.geometry, settings)) {
    selection.parameters += size.elements();
    selection.shapes.push_back(size.shape);
  }
  return selection;
}

}  // namespace

Result<AdapterFolder> open_adapter_folder(const std::filesystem::path& folder) {
  LUTHIER_TRY(FolderConfig config, read_config(folder));
  LUTHIER_TRY(SafetensorsFile file, open_tensors(folder));
  return AdapterFolder{config.method, std::move(config.settings), std::move(file)};
}

Result<AdapterSettings> read_settings(const Method& method, const Json& config,
                                      const std::string& where) {
  LUTHIER_CHECK(check_fields(method.fields(), config, where));
  return method.read(config, where);
}

Result<AdapterSettings> settings_to_train(const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (!method->hangs_adapter() || recipe.adapter.init_from.empty()) return recipe.adapter;
  LUTHIER_TRY(FolderConfig config, read_start(recipe));
  config.settings.init_from = recipe.adapter.init_from;
  return std::move(config.settings);
}

Result<std::shared_ptr<Adapter>> create_adapter(LoadedModel& base, const std::string& strategy,
                                                const AdapterSettings& settings,
                                                std::uint64_t seed) {
  LUTHIER_TRY(const Method* method, find_method(strategy));
  if (method->of_modules) return build_fresh(*method, base, settings, seed);
  LUTHIER_TRY(Adapter::Parts parts, method->of_whole->make(base, settings, seed));
  return std::make_shared<Adapter>(*method, settings, base.model, std::move(parts));
}

Result<std::shared_ptr<Adapter>> load_adapter(LoadedModel& base,
                                              const std::filesystem::path& folder) {
  LUTHIER_TRY(const FolderConfig config, read_config(folder));
  LUTHIER_TRY(const SafetensorsFile file, open_tensors(folder));
  for (const std::string& key : config.unknown) {
    log_warning((folder / Adapter::kConfigFile).string() + ": " + key +
                " is no field that PEFT 0.21 has; it is not read.");
  }
  std::shared_ptr<Adapter> adapter;
  if (config.method->of_modules) {
    auto built = build_from(*config.method, base, config.settings, file);
    if (!built) return in_folder(built.error(), folder);
    adapter = built.take();
  } else {
    auto parts = config.method->of_whole->load(base, config.settings, file);
    if (!parts) return in_folder(parts.error(), folder);
    adapter = std::make_shared<Adapter>(*config.method, config.settings, base.model, parts.take());
  }
  LUTHIER_CHECK(file.check_unchanged());
  LUTHIER_TRY(adapter->pixels, adapter_pixels(folder));
  return adapter;
}

Result<ModuleSelection> planned_selection(const ModelSummary& model, const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  const AdapterSettings& settings = recipe.adapter;
  if (settings.init_from.empty()) {
    if (method->of_whole) return whole_selection(*method, model, settings);
    const std::vector<ModelModule> modules = all_modules(model);
    return method->of_modules->select(modules, model.head, settings);
  }
  LUTHIER_TRY(const FolderConfig config, read_start(recipe));
  if (method->of_whole) return whole_selection(*method, model, config.settings);
  LUTHIER_TRY(const SafetensorsFile file, open_tensors(settings.init_from));
  for (const Family& family : families()) {
    if (model.model_type == family.model_type)
      return selection_of(*method, family, all_modules(model), config.settings, file);
  }
  return input_error(
      "The model_type \"" + model.model_type + "\" is not one that Luthier can load.",
      model.folder.string());
}

Status check_adapter_of(const Recipe& recipe) {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (!method->hangs_adapter()) return {};
  const auto model = summarize_model(recipe.model);
  if (!model) return {};
  LUTHIER_TRY(const ModuleSelection selection, planned_selection(*model, recipe));
  return {};
}

}  // namespace luthier
