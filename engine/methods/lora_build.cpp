// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA adapters made: fresh for a recipe, or from a PEFT folder's tensors.
#include <algorithm>
#include <cmath>
#include <map>

#include "engine/base/text.h"
#include "engine/methods/lora.h"
#include "engine/methods/lora_tensors.h"
#include "engine/methods/module_selection.h"
#include "engine/models/stored_tensor.h"

namespace luthier {

using torch::Tensor;

namespace {

/// kaiming_uniform(√5) on [r, in]: uniform(−1/√in, 1/√in).
void draw_a(Tensor& a, const std::string& init, at::Generator& generator) {
  if (init == "gaussian")
    a.normal_(0, 1.0 / static_cast<double>(a.size(0)), generator);
  else
    a.uniform_(-1 / std::sqrt(static_cast<double>(a.size(1))),
               1 / std::sqrt(static_cast<double>(a.size(1))), generator);
}

/// The model's modules by what an adapter can do with them.
struct Modules {
  std::vector<ModelModule> all;  // in the model's order, then what PEFT also meets
  std::map<std::string, Linear> linears;
  std::map<std::string, Embedding> embeddings;  // of tokens
  std::map<std::string, std::pair<std::string, Tensor*>>
      slots;  // tensor name → module name, member
  std::string head_name;
};

Modules list_modules(VisionLanguageModel& model) {
  Modules modules;
  const auto head = model.head();
  for (const auto& item : model.named_modules()) {
    auto* holder = dynamic_cast<ParameterModule*>(item.value().get());
    if (!holder || !holder->holds_tensors()) continue;
    modules.all.push_back({item.key(), holder->type_name()});
    for (const auto& [tensor, slot] : holder->slots())
      modules.slots[item.key() + "." + tensor] = {item.key(), slot};
    if (auto linear = std::dynamic_pointer_cast<LinearImpl>(item.value())) {
      modules.linears.emplace(item.key(), Linear(linear));
      if (linear == head.ptr()) modules.head_name = item.key();
    } else if (modules.all.back().token_embedding()) {
      modules.embeddings.emplace(item.key(),
                                 Embedding(std::dynamic_pointer_cast<EmbeddingImpl>(item.value())));
    }
  }
  modules.all = all_modules(std::move(modules.all));
  return modules;
}

/// In float32. A number that is none would make every answer one: an Input error with the tensor's
/// name.
Result<Tensor> read_tensor(const TensorView& view, const std::string& place) {
  Tensor read = torch::empty(view.info.shape, torch::kFloat32);
  LUTHIER_CHECK(read_stored(view, read, place));
  const auto finite = at::isfinite(read).sum().item<std::int64_t>();
  if (finite == read.numel()) return read;
  return input_error(
      std::to_string(read.numel() - finite) + " of the tensor's " + std::to_string(read.numel()) +
          " values are not finite (NaN or infinite).",
      place,
      "Nothing can be answered with them: take an earlier checkpoint of the run that made them.");
}

/// Finds the folder's adapter_config.json in errors about what its patterns say.
std::string config_beside(const SafetensorsFile& file) {
  return (file.path().parent_path() / "adapter_config.json").string() + ": ";
}

/// What to say of a tensor that has other rows than the base's: where a row is a token, the
/// vocabulary is another.
std::string other_base(const std::string& name, const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& base) {
  const bool tokens =
      name.ends_with("embed_tokens.weight") || name.find("lm_head") != std::string::npos;
  const bool same_width = shape.size() == 2 && base.size() == 2 && shape[1] == base[1];
  if (!tokens || !same_width) return "The adapter was made for another base.";
  return "The adapter was made for a vocabulary of " + std::to_string(shape[0]) +
         " tokens, the base has " + std::to_string(base[0]) +
         ". Tokens were added (or taken out) before it was trained: save the base resized so, with "
         "the adapter's tokenizer, and load that.";
}

}  // namespace

Result<std::shared_ptr<Adapter>> create_lora(VisionLanguageModel& model,
                                             const AdapterSettings& settings, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  const Modules modules = list_modules(model);
  LUTHIER_TRY(const ModuleSelection selection,
              select_modules(modules.all, modules.head_name, settings));
  LoraAdapter::Parts parts;
  for (const auto& [name, slot] : modules.slots) {
    if (!is_saved_module(slot.first, settings.modules_to_save)) continue;
    parts.saved.push_back({name, slot.second, *slot.second, slot.second->detach().clone()});
  }
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const WrappedModule& module : selection.wrapped) {
    const std::string& name = module.name;
    const std::int64_t rank = module.scale.rank;
    const double scale = module.scale.scale;
    if (const auto found = modules.embeddings.find(name); found != modules.embeddings.end()) {
      const Tensor& weight = found->second->weight;
      Tensor first =
          torch::zeros({rank, weight.size(0)}, torch::kFloat32);  // PEFT: A zero, B normal
      const Tensor second =
          torch::empty({weight.size(1), rank}, torch::kFloat32).normal_(0, 1, generator);
      if (settings.init_lora_weights == "false") first.normal_(0, 1, generator);
      parts.embedded.push_back({name, found->second,
                                std::make_shared<LoraEmbedding>(
                                    first.to(weight.device()), second.to(weight.device()), scale)});
      continue;
    }
    const Linear& base = modules.linears.at(name);
    Tensor a = torch::empty({rank, base->in_features()}, torch::kFloat32),
           b = torch::zeros({base->out_features(), rank}, torch::kFloat32);
    draw_a(a, settings.init_lora_weights, generator);
    if (settings.init_lora_weights == "false") draw_a(b, "true", generator);
    const torch::Device device = base->weight.device();
    parts.wrapped.push_back(
        {name, base,
         std::make_shared<LoraLinear>(a.to(device), b.to(device), scale, settings.lora_dropout,
                                      parts.wrapped.size())});
  }
  return std::shared_ptr<Adapter>(
      std::make_shared<LoraAdapter>(settings_to_write(settings, modules.all, selection),
                                    model.shared_from_this(), std::move(parts)));
}

Result<std::shared_ptr<Adapter>> load_lora(LoadedModel& base, const AdapterSettings& settings,
                                           const SafetensorsFile& file) {
  torch::NoGradGuard no_grad;
  const Modules modules = list_modules(*base.model);
  const std::string where = file.path().string();
  LUTHIER_TRY(const ScalePatterns scales, ScalePatterns::compile(settings, config_beside(file)));
  LUTHIER_TRY(LoraTensors tensors, sort_lora_tensors(file, *base.family));
  LoraAdapter::Parts parts;
  ModuleSelection selection;
  for (const LoraTensors::Whole& whole : tensors.whole) {
    const std::string place = where + ": " + whole.key;
    const auto slot = modules.slots.find(whole.name);
    if (slot == modules.slots.end()) {
      return input_error("The base has no place for this tensor.", place,
                         "The adapter was made for another base, or by a method that is not LoRA.");
    }
    const Tensor& own = *slot->second.second;
    if (whole.view.info.shape != own.sizes().vec()) {
      return input_error("The shape is " + shape_text(whole.view.info.shape) + ", the base has " +
                             shape_text(own.sizes().vec()) + ".",
                         place, other_base(slot->first, whole.view.info.shape, own.sizes().vec()));
    }
    LUTHIER_TRY(Tensor read, read_tensor(whole.view, place));
    read = read.to(own.options());
    if (whole.beside_pair && at::equal(read, own)) continue;  // the base's own
    parts.saved.push_back({slot->first, slot->second.second, own, read});
    selection.saved.push_back(slot->second.first);
  }
  if (tensors.pairs.empty() && parts.saved.empty())
    return input_error("The file holds no tensors.", where, "The adapter is empty.");

  for (const ModelModule& module : modules.all) {
    const auto found = tensors.pairs.find(module.name);
    if (found == tensors.pairs.end() || !module.wrappable()) continue;
    const LoraTensors::Pair pair = found->second;
    tensors.pairs.erase(found);
    const std::string place = where + ": " + pair.stored;
    if (!pair.a || !pair.b)
      return input_error(std::string("lora_") + (pair.a ? "B" : "A") + " is missing.", place,
                         "The file is incomplete.");
    const auto embedding = modules.embeddings.find(module.name);
    const bool tokens = embedding != modules.embeddings.end();
    const Weight weight =
        tokens ? Weight(embedding->second->weight) : modules.linears.at(module.name)->weight;
    const std::int64_t in = tokens ? weight.rows() : weight.cols(),
                       out = tokens ? weight.cols() : weight.rows();
    const auto &a = pair.a->info.shape, &b = pair.b->info.shape;
    if (a.size() != 2 || b.size() != 2 || a[0] != b[1] || a[0] < 1 || a[1] != in || b[0] != out) {
      return input_error("lora_A " + shape_text(a) + " and lora_B " + shape_text(b) +
                             " do not fit a weight of " +
                             shape_text({weight.rows(), weight.cols()}) + ".",
                         place,
                         a.size() != 2 || b.size() != 2 ? "The adapter was made for another base."
                         : tokens ? other_base(module.name + ".weight", {a[1], b[0]}, {in, out})
                                  : other_base(module.name + ".weight", {b[0], a[1]}, {out, in}));
    }
    LUTHIER_TRY(const ModuleScale scale, scales.of(pair.stored));
    if (scale.rank != a[0]) {
      return input_error("The rank is " + std::to_string(a[0]) + ", adapter_config.json says " +
                             std::to_string(scale.rank) + ".",
                         place, "The two files do not belong together.");
    }
    LUTHIER_TRY(Tensor first, read_tensor(*pair.a, place + ".lora_A"));
    LUTHIER_TRY(Tensor second, read_tensor(*pair.b, place + ".lora_B"));
    first = first.to(weight.device()), second = second.to(weight.device());
    selection.wrapped.push_back({module.name, scale});
    if (tokens) {
      parts.embedded.push_back({module.name, embedding->second,
                                std::make_shared<LoraEmbedding>(first, second, scale.scale)});
    } else {
      parts.wrapped.push_back(
          {module.name, modules.linears.at(module.name),
           std::make_shared<LoraLinear>(first, second, scale.scale, settings.lora_dropout,
                                        parts.wrapped.size())});
    }
  }
  if (!tensors.pairs.empty()) {
    return input_error("The base has no Linear and no token embedding named " +
                           tensors.pairs.begin()->second.stored + ".",
                       where, "The adapter was made for another base.");
  }
  return std::shared_ptr<Adapter>(std::make_shared<LoraAdapter>(
      settings_to_write(settings, modules.all, selection), base.model, std::move(parts)));
}

Result<ModuleSelection> lora_selection(const Family& family, const SafetensorsFile& file) {
  LUTHIER_TRY(const LoraTensors tensors, sort_lora_tensors(file, family));
  ModuleSelection selection;
  for (const auto& [name, pair] : tensors.pairs) {
    if (pair.a && !pair.a->info.shape.empty())
      selection.wrapped.push_back({name, {pair.a->info.shape.front(), 0, 0}});
  }
  for (const LoraTensors::Whole& whole : tensors.whole) {
    // Beside a pair it nearly always is the base's own weight.
    if (!whole.beside_pair) selection.saved.push_back(whole.name.substr(0, whole.name.rfind('.')));
  }
  return selection;
}

}  // namespace luthier
