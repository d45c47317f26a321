// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA adapters made: fresh for a recipe, or from a PEFT folder's tensors.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "engine/adapters/lora.h"
#include "engine/adapters/module_selection.h"
#include "engine/base/text.h"
#include "engine/io/safetensors.h"
#include "engine/models/stored_tensor.h"

namespace luthier {

using torch::Tensor;

namespace {

/// kaiming_uniform(√5) on [r, in]: uniform(−1/√in, 1/√in).
void draw_a(Tensor& a, const std::string& init, at::Generator& generator) {
  if (init == "gaussian") a.normal_(0, 1.0 / static_cast<double>(a.size(0)), generator);
  else a.uniform_(-1 / std::sqrt(static_cast<double>(a.size(1))), 1 / std::sqrt(static_cast<double>(a.size(1))), generator);
}

/// The model's modules by what an adapter can do with them.
struct Modules {
  std::vector<std::string> wrappable;                                        // in the model's order
  std::map<std::string, Linear> linears;
  std::map<std::string, Embedding> embeddings;                               // of tokens
  std::map<std::string, std::pair<std::string, ParameterModule*>> others;    // name → type, module
  std::map<std::string, std::pair<std::string, Tensor*>> slots;              // tensor name → module name, member
  std::string head_name;
};

Modules list_modules(VisionLanguageModel& model, bool embeddings) {
  Modules modules;
  const auto head = model.head();
  for (const auto& item : model.named_modules()) {
    auto* holder = dynamic_cast<ParameterModule*>(item.value().get());
    if (!holder) continue;
    for (const auto& [tensor, slot] : holder->slots()) modules.slots[item.key() + "." + tensor] = {item.key(), slot};
    if (auto linear = std::dynamic_pointer_cast<LinearImpl>(item.value())) {
      modules.wrappable.push_back(item.key());
      modules.linears.emplace(item.key(), Linear(linear));
      if (linear == head.ptr()) modules.head_name = item.key();
    } else if (auto embedding = std::dynamic_pointer_cast<EmbeddingImpl>(item.value()); embedding && embeddings && is_token_embedding(item.key())) {
      modules.wrappable.push_back(item.key());
      modules.embeddings.emplace(item.key(), Embedding(embedding));
    } else {
      modules.others[item.key()] = {holder->type_name(), holder};
    }
  }
  return modules;
}

/// PEFT resolves all-linear to the last parts of the names before it saves them.
AdapterSettings resolved(AdapterSettings settings, const std::vector<std::string>& names) {
  if (settings.target_modules.kind != ModuleSelector::Kind::AllLinear) return settings;
  settings.target_modules.kind = ModuleSelector::Kind::Names;
  std::set<std::string> last_parts;
  for (const std::string& name : names) last_parts.insert(name.substr(name.rfind('.') + 1));
  settings.target_modules.names.assign(last_parts.begin(), last_parts.end());
  return settings;
}

Status refuse_other_targets(const Modules& modules, const AdapterSettings& settings) {
  if (settings.target_modules.kind == ModuleSelector::Kind::AllLinear) return {};
  for (const auto& [name, other] : modules.others) {
    LUTHIER_TRY(const bool wanted, is_target(name, settings));
    if (wanted) {
      return input_error("The module " + name + " is a " + other.first + "; LoRA wraps Linear modules and the token embedding.", "adapter.target_modules",
                         "Leave it out, or name it in modules_to_save to train it whole.");
    }
  }
  return {};
}

Result<Tensor> read_tensor(const TensorView& view, const std::string& where) {
  Tensor tensor = torch::empty(view.info.shape, torch::kFloat32);
  LUTHIER_CHECK(read_stored(view, tensor, where));
  return tensor;
}

}  // namespace

Result<std::shared_ptr<Adapter>> create_lora(VisionLanguageModel& model, const AdapterSettings& settings, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  const Modules modules = list_modules(model, settings.target_modules.kind != ModuleSelector::Kind::AllLinear);
  LUTHIER_CHECK(refuse_other_targets(modules, settings));
  LoraAdapter::Parts parts;
  auto& saved = parts.saved;
  for (const auto& [name, slot] : modules.slots) {
    if (is_saved_module(slot.first, settings.modules_to_save)) saved.push_back({name, slot.second, *slot.second, slot.second->detach().clone()});
  }
  for (const std::string& wanted : settings.modules_to_save) {
    const bool found = std::any_of(saved.begin(), saved.end(), [&](const auto& each) { return is_saved_module(each.name, {wanted}); });
    if (!found) return input_error("The model has no module " + wanted + ".", "adapter.modules_to_save", "`luthier-cli info MODEL` lists the names.");
  }
  LUTHIER_TRY(const auto names, select_modules(modules.wrappable, modules.head_name, settings));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const std::string& name : names) {
    const std::int64_t rank = rank_of(name, settings);
    if (rank < 1) return input_error("The rank of " + name + " is " + std::to_string(rank) + ".", "adapter.rank_pattern", "A rank is at least 1.");
    if (const auto found = modules.embeddings.find(name); found != modules.embeddings.end()) {
      const Tensor& weight = found->second->weight;
      Tensor first = torch::zeros({rank, weight.size(0)}, torch::kFloat32);   // PEFT: A zero, B normal
      const Tensor second = torch::empty({weight.size(1), rank}, torch::kFloat32).normal_(0, 1, generator);
      if (settings.init_lora_weights == "false") first.normal_(0, 1, generator);
      parts.embedded.push_back({name, found->second, std::make_shared<LoraEmbedding>(first.to(weight.device()), second.to(weight.device()), scale_of(name, settings))});
      continue;
    }
    const Linear& base = modules.linears.at(name);
    Tensor a = torch::empty({rank, base->in_features()}, torch::kFloat32), b = torch::zeros({base->out_features(), rank}, torch::kFloat32);
    draw_a(a, settings.init_lora_weights, generator);
    if (settings.init_lora_weights == "false") draw_a(b, "true", generator);
    const auto device = base->weight.device();
    parts.wrapped.push_back({name, base, std::make_shared<LoraLinear>(a.to(device), b.to(device), scale_of(name, settings), settings.lora_dropout, parts.wrapped.size())});
  }
  return std::shared_ptr<Adapter>(std::make_shared<LoraAdapter>(resolved(settings, names), model.shared_from_this(), std::move(parts)));
}

Result<std::shared_ptr<Adapter>> load_lora(LoadedModel& base, const AdapterSettings& settings, const SafetensorsFile& file) {
  torch::NoGradGuard no_grad;
  const Modules modules = list_modules(*base.model, /*embeddings=*/true);
  const std::string where = file.path().string();
  static constexpr std::string_view prefix = "base_model.model.";
  struct Pair {
    std::string stored;   // the module's name as the file has it: what its patterns were written for
    std::optional<TensorView> a, b;
  };
  std::map<std::string, Pair> pairs;
  LoraAdapter::Parts parts;
  for (const auto& [key, info] : file.header().tensors) {
    const std::string stored = key.starts_with(prefix) ? key.substr(prefix.size()) : key;
    const auto view = file.find(key);
    const std::string place = where + ": " + key;
    if (info.dtype != DType::F32 && info.dtype != DType::F16 && info.dtype != DType::BF16 && info.dtype != DType::F64) {
      return input_error("The tensor is stored as " + dtype_name(info.dtype) + ".", place, "Adapters hold F32, F16 or BF16.");
    }
    const bool is_a = stored.ends_with(".lora_A.weight") || stored.ends_with(".lora_embedding_A");
    const bool is_b = stored.ends_with(".lora_B.weight") || stored.ends_with(".lora_embedding_B");
    if (is_a || is_b) {
      const std::string module = stored.substr(0, stored.rfind(".lora_"));
      const std::string name = base.family->memory_name(module + ".");
      Pair& pair = pairs[name.substr(0, name.size() - 1)];
      pair.stored = module;
      (is_a ? pair.a : pair.b) = view;
      continue;
    }
    // PEFT writes the whole weight beside the pair when a target is the token embedding or the head.
    std::string whole = stored;
    if (const auto at = whole.find(".base_layer."); at != std::string::npos) whole.erase(at, std::string_view(".base_layer").size());
    const auto slot = modules.slots.find(base.family->memory_name(whole));
    if (slot == modules.slots.end()) {
      return input_error("The base has no place for this tensor.", place, "The adapter was made for another base, or by a method that is not LoRA.");
    }
    const std::vector<std::int64_t> expected(slot->second.second->sizes().begin(), slot->second.second->sizes().end());
    if (info.shape != expected) {
      return input_error("The shape is " + shape_text(info.shape) + ", the base has " + shape_text(expected) + ".", place, "The adapter was made for another base.");
    }
    const Tensor& own = *slot->second.second;
    LUTHIER_TRY(Tensor read, read_tensor(*view, place));
    read = read.to(own.options());
    if (whole != stored && at::equal(read, own)) continue;   // the base's own
    parts.saved.push_back({slot->first, slot->second.second, own, read});
  }
  if (pairs.empty() && parts.saved.empty()) return input_error("The file holds no tensors.", where, "The adapter is empty.");

  for (const std::string& name : modules.wrappable) {
    const auto found = pairs.find(name);
    if (found == pairs.end()) continue;
    const Pair pair = found->second;
    pairs.erase(found);
    const std::string place = where + ": " + pair.stored;
    if (!pair.a || !pair.b) return input_error(std::string("lora_") + (pair.a ? "B" : "A") + " is missing.", place, "The file is incomplete.");
    const auto embedding = modules.embeddings.find(name);
    const bool tokens = embedding != modules.embeddings.end();
    const Tensor weight = tokens ? embedding->second->weight : modules.linears.at(name)->weight;
    const std::int64_t in = weight.size(tokens ? 0 : 1), out = weight.size(tokens ? 1 : 0);
    const auto &a = pair.a->info.shape, &b = pair.b->info.shape;
    if (a.size() != 2 || b.size() != 2 || a[0] != b[1] || a[0] < 1 || a[1] != in || b[0] != out) {
      return input_error("lora_A " + shape_text(a) + " and lora_B " + shape_text(b) + " do not fit a weight of " +
                             shape_text(weight.sizes().vec()) + ".", place, "The adapter was made for another base.");
    }
    const std::int64_t rank = rank_of(pair.stored, settings);
    if (rank != a[0]) {
      return input_error("The rank is " + std::to_string(a[0]) + ", adapter_config.json says " + std::to_string(rank) + ".", place,
                         "The two files do not belong together.");
    }
    LUTHIER_TRY(Tensor first, read_tensor(*pair.a, place));
    LUTHIER_TRY(Tensor second, read_tensor(*pair.b, place));
    first = first.to(weight.device());
    second = second.to(weight.device());
    const double scale = scale_of(pair.stored, settings);
    if (tokens) parts.embedded.push_back({name, embedding->second, std::make_shared<LoraEmbedding>(first, second, scale)});
    else parts.wrapped.push_back({name, modules.linears.at(name), std::make_shared<LoraLinear>(first, second, scale, settings.lora_dropout, parts.wrapped.size())});
  }
  if (!pairs.empty()) {
    return input_error("The base has no Linear and no token embedding named " + pairs.begin()->second.stored + ".", where, "The adapter was made for another base.");
  }
  return std::shared_ptr<Adapter>(std::make_shared<LoraAdapter>(settings, base.model, std::move(parts)));
}

}  // namespace luthier
