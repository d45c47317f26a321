// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/run_inputs.h"

#include <cstring>
#include <set>
#include <span>

#include "engine/io/named_place.h"
#include "engine/io/probe.h"
#include "engine/io/safetensors.h"
#include "engine/io/system_error.h"
#include "engine/objectives/objective.h"
#include "engine/runs/run_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFormat = "luthier.inputs";
constexpr std::string_view kModel = "model: ";

std::string settled(const std::string& folder) {
  std::error_code ignored;
  return named_place(fs::absolute(folder, ignored)).string();
}

void take_marks(const SafetensorsFile& file, const std::string& name,
                std::vector<std::uint16_t>& into) {
  const auto view = file.find(name);
  if (!view || view->info.dtype != DType::U16) return;
  const auto bytes = view->bytes();
  if (!bytes) return;
  into.resize(bytes->size() / sizeof(into[0]));
  std::memcpy(into.data(), bytes->data(), into.size() * sizeof(into[0]));
}

}  // namespace

Result<std::map<std::string, std::string>> fingerprint_models_beside(const Recipe& recipe,
                                                                     const Objective& objective,
                                                                     bool adapter_is_reference) {
  std::map<std::string, std::string> folders;  // setting → folder
  std::set<std::string> known;
  const auto add = [&](const std::string& setting, const std::string& folder) {
    if (!folder.empty() && is_folder(folder) && known.insert(settled(folder)).second)
      folders[setting] = folder;
  };
  for (const FieldDescription& field : recipe_fields()) {
    const bool rows = field.key.ends_with(".dataset");
    if (field.type != FieldDescription::Type::Path || rows || !applies(field, recipe)) continue;
    if (recipe.more.json(field.key)) add(field.key, recipe.more.text(field.key));
  }
  for (const std::string& folder : objective.judging_folders())
    add(recipe.objective + ".reward_funcs: " + folder, folder);
  if (adapter_is_reference) add("adapter.init_from", recipe.adapter.init_from);
  std::map<std::string, std::string> found;
  for (const auto& [setting, folder] : folders) {
    LUTHIER_TRY(found[setting], fingerprint_model(folder));
  }
  return found;
}

Status check_models_beside(const std::map<std::string, std::string>& before,
                           const std::map<std::string, std::string>& now) {
  for (const auto& [setting, was] : before) {
    const auto is = now.find(setting);
    if (is == now.end() || is->second == was) continue;
    return input_error(
        "The model that this setting names changed since the run was started (fingerprint " + was +
            ", now " + is->second + ").",
        setting, "Resume with what it was started with, or start a new run in another output_dir.");
  }
  return {};
}

Status write_run_inputs(const fs::path& run, const RunInputs& inputs) {
  std::vector<TensorToWrite> tensors;
  const auto add = [&](const char* name, const std::vector<std::uint16_t>& marks) {
    if (!marks.empty())
      tensors.push_back({name,
                         DType::U16,
                         {static_cast<std::int64_t>(marks.size())},
                         std::as_bytes(std::span(marks))});
  };
  add("dataset.contents", inputs.dataset.contents);
  add("dataset.times", inputs.dataset.times);
  add("eval_dataset.contents", inputs.eval_dataset.contents);
  add("eval_dataset.times", inputs.eval_dataset.times);
  std::map<std::string, std::string> metadata{{"format", kFormat}};
  for (const auto& [setting, print] : inputs.models)
    metadata[std::string(kModel) + setting] = print;
  const fs::path file = run / "inputs.safetensors", partial = run / ".inputs.safetensors.partial";
  LUTHIER_CHECK(write_safetensors(partial, tensors, metadata));
  LUTHIER_CHECK(sync_file(partial));
  LUTHIER_CHECK(rename_path(partial, file));
  return sync_folder(run);
}

RunInputs read_run_inputs(const fs::path& run) {
  RunInputs inputs;
  const auto file = SafetensorsFile::open(run / "inputs.safetensors");
  if (!file) return inputs;
  const auto& metadata = file->header().metadata;
  const auto format = metadata.find("format");
  if (format == metadata.end() || format->second != kFormat) return inputs;
  for (const auto& [key, value] : metadata)
    if (key.starts_with(kModel)) inputs.models[key.substr(kModel.size())] = value;
  take_marks(*file, "dataset.contents", inputs.dataset.contents);
  take_marks(*file, "dataset.times", inputs.dataset.times);
  take_marks(*file, "eval_dataset.contents", inputs.eval_dataset.contents);
  take_marks(*file, "eval_dataset.times", inputs.eval_dataset.times);
  return inputs;
}

}  // namespace luthier
