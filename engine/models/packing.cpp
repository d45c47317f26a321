// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/packing.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/device/threads.h"
#include "engine/hub/quantized.h"
#include "engine/models/plain_modules.h"
#include "engine/models/sharded_layers.h"
#include "engine/models/stored_head.h"
#include "engine/nn/conv1d_linear.h"
#include "engine/nn/dense_run.h"

namespace luthier {

namespace {

using torch::Tensor;

std::map<std::string, Linear> linears(Model& model) {
  std::map<std::string, Linear> found;
  for (const auto& item : model.named_modules()) {
    // A router is none that is packed.
    auto linear = std::dynamic_pointer_cast<LinearImpl>(item.value());
    if (linear && linear->type_name() == "Linear") found.emplace(item.key(), Linear(linear));
  }
  return found;
}

/// Settings that say otherwise than the checkpoint's own.
Status check_against(const Json& asked, const WeightKind* wanted, const PackingPlan& stored,
                     const std::string& where) {
  if (!wanted) return {};
  const char* hint = "Leave the settings out: such a checkpoint is loaded as it is.";
  if (wanted != stored.kind) {
    return input_error("The checkpoint's own weights are " + std::string(stored.kind->name) +
                           ", and " + wanted->name + " is asked for.",
                       where, hint);
  }
  for (const std::string& key : wanted->of_the_file) {
    if (!asked.contains(key) || asked[key] == stored.settings.value(key, asked[key])) continue;
    return input_error("The checkpoint's own weights are packed with " + key + ": " +
                           stored.settings[key].dump() + ", and " + asked[key].dump() +
                           " is asked for.",
                       where, hint);
  }
  return {};
}

Result<Tensor> read_part(const TensorView& view, const std::string& place, const ReadWatch& watch) {
  Tensor tensor =
      torch::empty(view.info.shape, torch::TensorOptions().dtype(scalar_type(view.info.dtype)));
  LUTHIER_CHECK(read_stored(view, tensor, place, watch));
  return tensor;
}

}  // namespace

bool is_packed(const PackingPlan& plan, const std::string& parameter) {
  return parameter.ends_with(".weight") &&
         plan.stored.contains(parameter.substr(0, parameter.rfind('.')));
}

Result<PackingPlan> plan_packing(Model& model, const Json& asked, const std::string& where) {
  PackingPlan plan;
  LUTHIER_TRY(plan.kind, find_weight_kind(asked, where));
  if (!plan.kind) return plan;
  plan.settings = asked;
  const std::string head = head_name(model);
  // What a tied head shares is the embedding's, which is looked up and cannot be packed.
  const bool tied = !tied_weight(model).empty();
  LUTHIER_TRY(const PlainModules plain, PlainModules::read(asked, head, where));
  for (const auto& [name, linear] : linears(model)) {
    if (linear->as<Conv1DLinear>()) {
      return input_error(name + " is a Conv1D, which is not packed here.", where,
                         "Load the model without quantization.");
    }
    if (linear->as<PlainLinear>()) continue;
    LUTHIER_TRY(const bool stays, plain.contains(name));
    if (!stays && !(tied && name == head)) plan.modules.insert(name);
  }
  return plan;
}

Result<PackingPlan> plan_packing(Model& shapes, const Family& family, const CheckpointFiles& files,
                                 const Json& config, const Json& asked, const std::string& where) {
  LUTHIER_TRY(const WeightKind* wanted, find_weight_kind(asked, where));
  PackingPlan plan;
  plan.settings = quantization_settings(config);
  const auto own = find_weight_kind(plan.settings, where);
  if (own && *own) {
    plan.kind = *own;
    const auto known = linears(shapes);
    std::map<std::string, PartsOfWeight> stored;
    for (const auto& [name, info] : files.tensors()) {
      const auto part = part_of_weight(name, *plan.kind);
      if (part) stored[family.memory_name(part->weight)][std::string(part->end)] = name;
    }
    for (auto& [weight, parts] : stored) {
      const std::string module = weight.substr(0, weight.rfind('.'));
      const auto found = known.find(module);
      if (found != known.end() && found->second->as<Conv1DLinear>())
        return input_error(module + " is a Conv1D, whose packed weights are not read here.", where);
      if (found == known.end()) {
        return input_error("The tensor " + parts.begin()->second + " belongs to no Linear.", where,
                           "The weights do not belong to this config.json.");
      }
      plan.modules.insert(module);
      plan.stored[module] = std::move(parts);
    }
    if (!plan.stored.empty()) {
      LUTHIER_CHECK(check_against(asked, wanted, plan, where));
      // How products are made is no property of the file.
      for (const char* key : {"bnb_4bit_compute_dtype", "llm_int8_threshold"})
        if (wanted && asked.contains(key)) plan.settings[key] = asked[key];
      return plan;
    }
  }
  return plan_packing(shapes, asked, where);
}

Result<std::map<std::string, std::string>> stored_names(const Family& family,
                                                        const CheckpointFiles& files,
                                                        const PackingPlan& plan,
                                                        const std::string& where) {
  std::map<std::string, std::string> names;
  for (const auto& [stored, info] : files.tensors()) {
    const auto part = plan.stored.empty() ? std::nullopt : part_of_weight(stored, *plan.kind);
    const bool numbers = part && !part->end.empty() && part->end == plan.kind->numbers;
    if (part && !numbers) continue;
    const std::string name = family.memory_name(numbers ? part->weight : stored);
    if (!names.emplace(name, stored).second) {
      return input_error(
          "The tensors " + names[name] + " and " + stored + " stand for the same parameter.", where,
          "Keep one of them.");
    }
  }
  return names;
}

void place_tensors(Model& model, const torch::TensorOptions& options, const PackingPlan& plan) {
  std::map<const void*, Tensor> placed;  // by the tensor that stood there
  const auto walk = [&](bool owned) {
    for (const auto& item : model.named_modules()) {
      auto* holder = dynamic_cast<ParameterModule*>(item.value().get());
      if (!holder) continue;
      const auto own = holder->named_parameters(/*recurse=*/false);
      for (const auto& [name, member] : std::vector(holder->slots())) {
        if (own.contains(name) != owned) continue;
        if (owned && name == "weight" && plan.modules.contains(item.key())) continue;
        const void* before = member->unsafeGetTensorImpl();
        if (owned) placed[before] = torch::empty(member->sizes(), options);
        if (const auto now = placed.find(before); now != placed.end())
          holder->place(name, now->second);
      }
      // A bias that is another module's (the one beside a tied head of BERT's) is no slot.
      auto* linear = owned || own.contains("bias") ? nullptr : dynamic_cast<LinearImpl*>(holder);
      if (!linear || !linear->bias.defined()) continue;
      if (const auto now = placed.find(linear->bias.unsafeGetTensorImpl()); now != placed.end())
        linear->bias = now->second;
    }
  };
  walk(true);
  walk(false);  // what modules share
}

Status load_packed(Model& model, const CheckpointFiles& files,
                   const std::map<std::string, std::string>& names, const PackingPlan& plan,
                   const torch::TensorOptions& options, const std::string& where,
                   const ReadWatch& watch) {
  const torch::NoGradGuard no_grad;
  const WeightPacking* packing = weight_packing(*plan.kind);
  TORCH_CHECK(packing, plan.kind->name, " has no products");
  const torch::ScalarType dtype = c10::typeMetaToScalarType(options.dtype());
  for (auto& [module, linear] : linears(model)) {
    if (!plan.modules.contains(module)) continue;
    const auto named = names.find(module + ".weight");
    if (named == names.end()) {
      return input_error("The tensor " + module + ".weight is missing.", where,
                         "The weights do not belong to this config.json, or a shard is missing.");
    }
    const auto view = files.find(named->second);
    const std::string place = where + ": " + named->second;
    const std::int64_t rows = linear->out_features(), cols = linear->in_features();
    adapt_waiting();  // a load beside other programs is many short waits of threads for each other
    PackedPointer packed;
    if (const auto beside = plan.stored.find(module); beside != plan.stored.end()) {
      StoredParts parts;
      LUTHIER_TRY(parts[""], read_part(*view, place, watch));
      for (const auto& [end, name] : beside->second) {
        if (end == plan.kind->numbers) continue;
        LUTHIER_TRY(parts[end], read_part(*files.find(name), where + ": " + name, watch));
      }
      LUTHIER_TRY(packed, packing->read(parts, rows, cols, plan.settings, place));
    } else {
      if (view->info.shape != std::vector<std::int64_t>{rows, cols}) {
        return input_error("The tensor " + named->second + " has shape " +
                               shape_text(view->info.shape) + ", config.json asks for " +
                               shape_text({rows, cols}) + ".",
                           where, "The weights do not belong to this config.json.");
      }
      Tensor dense = torch::empty({rows, cols}, torch::TensorOptions().dtype(dtype));
      LUTHIER_CHECK(read_stored(*view, dense, place, watch));
      LUTHIER_TRY(packed, packing->pack(dense, plan.settings, place));
    }
    if (packed->device() != options.device()) {
      const auto compute = packed->compute_dtype;
      packed = packed->to(options.device());
      packed->compute_dtype = compute;
    }
    linear->pack(std::move(packed));
  }
  return {};
}

std::map<std::string, Linear> packed_linears(Model& model) {
  std::map<std::string, Linear> found = linears(model);
  std::erase_if(found, [](const auto& item) { return !item.second->weight.packed(); });
  return found;
}

void unpack_weights(Model& model, torch::ScalarType dtype) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, linear] : packed_linears(model)) linear->unpack(dtype);
}

namespace {

/// The kind that a module's weight is, or would be, packed to; null: it is dense.
class KindOf {
 public:
  static Result<KindOf> make(const ModelSummary& model, const Json& asked) {
    KindOf kinds(model, asked);
    const auto own = find_weight_kind(model.quantization, kinds.where_);
    if (own) kinds.own_ = *own;
    LUTHIER_TRY(kinds.wanted_, find_weight_kind(asked, kinds.where_));
    if (!kinds.own_ && kinds.wanted_) {
      LUTHIER_TRY(kinds.plain_, PlainModules::read(asked, model.head, kinds.where_));
    }
    return kinds;
  }

  Result<const WeightKind*> operator()(const ModuleSummary& module) const {
    const WeightKind* none = nullptr;
    if (module.type != "Linear" || module.shape.size() != 2) return none;
    if (own_ && module.dtype == own_->name) return own_;
    if (own_ || !wanted_ || module.stays_plain) return none;
    if (module.parameters == 0) return none;  // a tied head has none of its own
    LUTHIER_TRY(const bool stays, plain_.contains(module.name));
    return stays ? none : wanted_;
  }
  const Json& settings() const { return own_ ? model_.quantization : asked_; }

 private:
  KindOf(const ModelSummary& model, const Json& asked)
      : model_(model), asked_(asked), where_((model.folder / "config.json").string()) {}

  const ModelSummary& model_;
  const Json& asked_;
  std::string where_;
  const WeightKind *own_ = nullptr, *wanted_ = nullptr;
  PlainModules plain_;
};

}  // namespace

Result<std::vector<std::pair<std::string, std::int64_t>>> bytes_by_part(const ModelSummary& model,
                                                                        std::int64_t element,
                                                                        const Json& asked) {
  LUTHIER_TRY(const KindOf kind_of, KindOf::make(model, asked));
  std::vector<std::pair<std::string, std::int64_t>> parts;
  for (const auto& [part, count] : model.parts) {
    std::int64_t bytes = count * element;
    for (const ModuleSummary& module : model.modules) {
      if (module.part != part) continue;
      LUTHIER_TRY(const WeightKind* kind, kind_of(module));
      if (!kind) continue;
      const std::int64_t rows = module.shape[0], cols = module.shape[1];
      bytes += kind->bytes(rows, cols, kind_of.settings()) - rows * cols * element;
    }
    parts.emplace_back(part, bytes);
  }
  return parts;
}

Result<std::int64_t> largest_dense_run(const ModelSummary& model, const Json& asked,
                                       std::int64_t element, bool cpu) {
  LUTHIER_TRY(const KindOf kind_of, KindOf::make(model, asked));
  std::int64_t largest = 0;
  for (const ModuleSummary& module : model.modules) {
    LUTHIER_TRY(const WeightKind* kind, kind_of(module));
    if (kind) largest = std::max(largest, module.shape[0] * module.shape[1]);
  }
  return dense_run_bytes(std::min(largest, dense_run(cpu)), element, cpu);
}

std::int64_t parameter_count(Model& model) {
  std::int64_t count = 0;
  for (const Tensor& tensor : model.parameters()) count += tensor.numel();
  for (const auto& [name, linear] : packed_linears(model))
    count += linear->weight.rows() * linear->weight.cols();
  return count;
}

std::int64_t weight_bytes(const Model& model) {
  std::int64_t bytes = 0;
  for (const Tensor& tensor : model.parameters())
    bytes += static_cast<std::int64_t>(tensor.nbytes());
  for (const auto& module : model.modules()) {
    const auto* linear = dynamic_cast<const LinearImpl*>(module.get());
    if (linear && linear->weight.packed()) bytes += linear->weight.bytes();
  }
  if (const auto sharded = sharded_of(model)) bytes += sharded->bytes_here() - sharded->all_bytes();
  return bytes;
}

}  // namespace luthier
