// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/model_summary.h"

#include <algorithm>
#include <map>

#include "engine/base/text.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/safetensors.h"
#include "engine/models/loaded_model.h"
#include "engine/models/model_cost.h"
#include "engine/models/open_weights.h"
#include "engine/models/packing.h"
#include "engine/models/stored_head.h"
#include "engine/models/stored_parameter.h"
#include "engine/nn/parameters.h"
#include "engine/nn/plain_linear.h"
#include "engine/nn/plugs.h"

namespace luthier {

namespace {

/// A row of the summary: a module with its tensors by their whole names.
struct Row {
  std::string name;
  std::vector<std::pair<std::string, const torch::Tensor*>> tensors;
};

/// One of a module; of the model itself, which has no name, one of each tensor that it holds.
std::vector<Row> rows_of(const std::string& key, const ParameterModule& module) {
  std::vector<Row> rows;
  for (const auto& [name, slot] : module.slots()) {
    const std::string whole = key.empty() ? name : key + "." + name;
    if (rows.empty() || key.empty()) rows.push_back({key.empty() ? name : key, {}});
    rows.back().tensors.emplace_back(whole, slot);
  }
  return rows;
}

}  // namespace

Result<ModelSummary> summarize_model(const std::filesystem::path& folder) try {
  std::error_code ignored;
  LUTHIER_CHECK(check_model_folder(folder));
  ModelSummary summary;
  summary.folder = folder;
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(folder / "config.json"));
  LUTHIER_TRY(const Family* family, find_family(config, where));
  LUTHIER_TRY(const Plan plan, family->read(config, folder));
  const auto meta = torch::TensorOptions().device(torch::kMeta);
  auto model = plan.made(meta);
  summary.model_type = family->model_type;
  if (plan.pictures)
    summary.pictures = PictureSummary{plan.pictures->defaults, plan.pictures->films};
  summary.geometry = model->geometry();

  std::map<std::string, TensorInfo> stored;  // by in-memory name
  PackingPlan packing;
  const bool random = !std::filesystem::exists(folder / "model.safetensors", ignored) &&
                      !std::filesystem::exists(folder / "model.safetensors.index.json", ignored);
  if (!random) {
    LUTHIER_TRY(const CheckpointFiles files, open_weights(folder, config, *family, *model));
    LUTHIER_TRY(const bool own_head, has_own_head(*model, *family, files));
    if (own_head) {
      model = plan.build(meta, HeadWeight::Own);
      summary.geometry = model->geometry();
    }
    LUTHIER_TRY(packing, plan_packing(*model, *family, files, config, Json(), where));
    LUTHIER_TRY(const auto names, stored_names(*family, files, packing, where));
    for (const auto& [name, in_file] : names) stored[name] = files.tensors().at(in_file);
    for (const auto& item : model->named_parameters()) {
      if (stored.contains(item.key()) || may_lack(item.key())) continue;
      LUTHIER_TRY(const StoredParameter pieces,
                  StoredParameter::find({*family, files, names, folder.string()}, item.key(),
                                        item.value().sizes()));
      stored[item.key()] = {pieces.dtype(), item.value().sizes().vec()};
    }
    for (const SafetensorsFile& file : files.files()) {
      summary.files.push_back(file.path().filename().string());
      summary.file_bytes += file.size();
    }
  }
  std::map<std::string, std::int64_t> of_part;
  std::map<std::string, std::int64_t> of_dtype;
  for (const auto& item : model->named_modules()) {
    if (const auto* branch = dynamic_cast<const BranchPort*>(item.value().get()))
      summary.branches.push_back({item.key(), branch->kind_name(), branch->width()});
    const auto* module = dynamic_cast<const ParameterModule*>(item.value().get());
    if (!module || module->slots().empty()) continue;
    for (const Row& row : rows_of(item.key(), *module)) {
      ModuleSummary made;
      made.name = row.name;
      made.type = item.key().empty() ? kOwnTensor : module->type_name();
      made.stays_plain = dynamic_cast<const PlainLinearImpl*>(module) != nullptr;
      made.part = model->part_of(row.tensors.front().first);
      for (const auto& [name, slot] : row.tensors) {
        const std::string own_name = name.substr(name.rfind('.') + 1);
        const bool owned = module->named_parameters(false).contains(own_name);
        if (owned && module->learns(own_name)) made.parameters += slot->numel();
        if (own_name == "bias" && !item.key().empty()) made.bias = slot->numel();
        if (made.shape.empty() || own_name == "weight")
          made.shape.assign(slot->sizes().begin(), slot->sizes().end());
        const auto found = stored.find(name);
        if (found != stored.end()) {
          const bool packed = is_packed(packing, found->first);
          const std::string dtype = packed ? packing.kind->name : dtype_name(found->second.dtype);
          if (made.dtype.empty() || own_name == "weight") made.dtype = dtype;
          of_dtype[dtype] += packed ? slot->numel() : found->second.elements();
        }
      }
      if (made.dtype.empty()) made.dtype = "F32";
      summary.parameters += made.parameters;
      of_part[made.part] += made.parameters;
      summary.modules.push_back(std::move(made));
    }
  }
  summary.cost = cost_of(model);
  summary.head = head_name(*model);
  for (const std::string& part : model->parts()) summary.parts.emplace_back(part, of_part[part]);
  const auto most =
      std::max_element(of_dtype.begin(), of_dtype.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  summary.quantization = packing.settings;
  summary.dtype = most == of_dtype.end() ? "F32" : most->first;
  return summary;
} catch (const std::exception& problem) {
  return input_error("The model cannot be described: " + first_line(problem.what()),
                     folder.string());
}

Json to_json(const ModelSummary& summary) {
  Json parts = Json::object(), modules = Json::array();
  for (const auto& [name, parameters] : summary.parts) parts[name] = parameters;
  for (const ModuleSummary& module : summary.modules) {
    modules.push_back({{"name", module.name},
                       {"type", module.type},
                       {"shape", module.shape},
                       {"dtype", module.dtype},
                       {"parameters", module.parameters}});
  }
  static const std::map<std::string, std::string> names{
      {"F16", "float16"}, {"BF16", "bfloat16"}, {"F32", "float32"}, {"F64", "float64"}};
  const auto found = names.find(summary.dtype);
  return {{"model_type", summary.model_type},
          {"dtype", found == names.end() ? summary.dtype : found->second},
          {"parameters", summary.parameters},
          {"parts", parts},
          {"files", summary.files},
          {"file_bytes", summary.file_bytes},
          {"modules", modules}};
}

}  // namespace luthier
