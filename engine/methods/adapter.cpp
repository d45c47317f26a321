// SPDX-License-Identifier: GPL-3.0-or-later
// The table of methods, and what all of them share on disk.
#include "engine/methods/adapter.h"

#include "engine/base/log.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/lora.h"
#include "engine/methods/lora_fields.h"

namespace luthier {

const std::vector<AdapterMethod>& adapter_methods() {
  static const std::vector<AdapterMethod> table{{"LORA", create_lora, load_lora, read_lora_settings,
                                                 write_lora_settings, unknown_lora_fields,
                                                 lora_selection}};
  return table;
}

Status Adapter::save(const std::filesystem::path& folder,
                     const std::string& base_model_name_or_path) const {
  std::vector<torch::Tensor> kept;
  std::vector<TensorToWrite> tensors;
  for (const auto& [key, tensor] : this->tensors()) {
    kept.push_back(tensor.detach().to(torch::kCPU).contiguous());
    const torch::Tensor& stored = kept.back();
    tensors.push_back({key,
                       file_dtype(stored.scalar_type()),
                       stored.sizes().vec(),
                       {static_cast<const std::byte*>(stored.data_ptr()),
                        static_cast<std::size_t>(stored.nbytes())}});
  }
  LUTHIER_CHECK(write_safetensors(folder / "adapter_model.safetensors", tensors));
  const Json config = adapter_methods().front().write_settings(settings(), base_model_name_or_path);
  return write_file_atomically(folder / "adapter_config.json", config.dump(2) + "\n");
}

Result<std::shared_ptr<Adapter>> create_adapter(VisionLanguageModel& model,
                                                const AdapterSettings& settings,
                                                std::uint64_t seed) {
  return adapter_methods().front().create(model, settings, seed);
}

namespace {

struct Known {
  const AdapterMethod* method;
  AdapterSettings settings;
  std::vector<std::string> unknown;  // keys of the config that nothing reads
};

Result<Known> read_config(const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_adapter_folder(folder));
  const std::filesystem::path config_path = folder / "adapter_config.json";
  LUTHIER_TRY(const Json config, read_json_file(config_path));
  if (!config.is_object()) return input_error("An object is expected.", config_path.string());
  LUTHIER_TRY(const std::string type, json_string(config, "peft_type", config_path.string()));
  std::string known;
  for (const AdapterMethod& method : adapter_methods()) {
    known += (known.empty() ? "" : ", ") + std::string(method.peft_type);
    if (type != method.peft_type) continue;
    LUTHIER_TRY(AdapterSettings settings, method.read_settings(config, config_path.string()));
    return Known{&method, std::move(settings), method.unknown_fields(config)};
  }
  return input_error("The adapter's method \"" + type + "\" is not known.",
                     config_path.string() + ": peft_type", "Known: " + known + ".");
}

}  // namespace

Result<AdapterSettings> settings_to_train(const Recipe& recipe) {
  if (recipe.strategy != "lora" || recipe.adapter.init_from.empty()) return recipe.adapter;
  LUTHIER_TRY(Known known, read_config(recipe.adapter.init_from));
  known.settings.init_from = recipe.adapter.init_from;
  return std::move(known.settings);
}

namespace {

/// The folder's tensor file.
Result<SafetensorsFile> open_tensors(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path tensor_path = folder / "adapter_model.safetensors";
  if (!std::filesystem::exists(tensor_path, ignored) &&
      std::filesystem::exists(folder / "adapter_model.bin", ignored)) {
    return input_error(
        "adapter_model.bin is a pickle, which can run code when it is read.", folder.string(),
        "Save the adapter as safetensors: load it with PEFT and call save_pretrained.");
  }
  return SafetensorsFile::open(tensor_path);
}

}  // namespace

Result<std::shared_ptr<Adapter>> load_adapter(LoadedModel& base,
                                              const std::filesystem::path& folder) {
  LUTHIER_TRY(const Known known, read_config(folder));
  LUTHIER_TRY(const SafetensorsFile file, open_tensors(folder));
  for (const std::string& key : known.unknown) {
    log_warning((folder / "adapter_config.json").string() + ": " + key +
                " is no field that PEFT 0.21 has; it is not read.");
  }
  LUTHIER_TRY(auto adapter, known.method->load(base, known.settings, file));
  LUTHIER_CHECK(file.check_unchanged());
  LUTHIER_TRY(adapter->pixels, adapter_pixels(folder));
  return adapter;
}

Result<ModuleSelection> planned_selection(const ModelSummary& model, const Recipe& recipe) {
  const AdapterSettings& settings = recipe.adapter;
  if (settings.init_from.empty()) {
    const std::vector<ModelModule> modules = all_modules(model);
    return select_modules(modules, head_of(modules), settings);
  }
  LUTHIER_TRY(const Known known, read_config(settings.init_from));
  LUTHIER_TRY(const SafetensorsFile file, open_tensors(settings.init_from));
  for (const Family& family : families()) {
    if (model.model_type == family.model_type) return known.method->selection(family, file);
  }
  return input_error(
      "The model_type \"" + model.model_type + "\" is not one that Luthier can load.",
      model.folder.string());
}

Status check_adapter_of(const Recipe& recipe) {
  if (recipe.strategy != "lora") return {};
  const auto model = summarize_model(recipe.model);
  if (!model) return {};
  LUTHIER_TRY(const ModuleSelection selection, planned_selection(*model, recipe));
  return {};
}

}  // namespace luthier
