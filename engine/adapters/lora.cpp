// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/adapters/lora.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "engine/adapters/module_selection.h"
#include "engine/io/safetensors.h"
#include "engine/nn/dropout.h"
#include "engine/nn/layers.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {   // splitmix64's finaliser over the pair
  std::uint64_t x = a + 0x9e3779b97f4a7c15ull * (b + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

struct LoraStep {
  double scale, dropout;
  std::uint64_t seed;
};

/// Saves x (shared with the neighbouring products of the same x), x Aᵀ (r wide) and the small matrices; the mask is drawn again.
class LoraFunction : public torch::autograd::Function<LoraFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& given, const Tensor& a,
                        const Tensor& b, const LoraStep& step) {
    const Tensor bias = given.numel() > 0 ? given : Tensor();                              // empty: the base has none
    const Tensor flat = x.reshape({-1, x.size(-1)});                                       // [n, in]
    const Tensor dropped = step.dropout > 0 ? dropped_out(flat, step.dropout, step.seed) : flat;
    const Tensor inner = matrix_product(dropped.to(a.scalar_type()), a.t());                     // [n, r]
    Tensor y = linear_product(flat, weight, bias);                                        // [n, out]
    if (y.scalar_type() == b.scalar_type()) y.addmm_(inner, b.t(), 1, step.scale);
    else y.add_(at::mm(inner, b.t()).mul_(step.scale));
    context->save_for_backward({x, weight, a, b, inner});
    context->saved_data["scale"] = step.scale;
    context->saved_data["dropout"] = step.dropout;
    context->saved_data["seed"] = static_cast<std::int64_t>(step.seed);
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return y.view(shape);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &a = saved[2], &b = saved[3], &inner = saved[4];
    const double scale = context->saved_data["scale"].toDouble(), dropout = context->saved_data["dropout"].toDouble();
    const Tensor flat = x.reshape({-1, x.size(-1)});
    const Tensor gradient = gradients[0].reshape({-1, weight.size(0)});                    // [n, out]
    const Tensor wide = gradient.to(b.scalar_type());
    const Tensor dinner = matrix_product(wide, b).mul_(scale);                                     // [n, r]
    Tensor dx, dbias, da, db, dweight;
    const auto seed = static_cast<std::uint64_t>(context->saved_data["seed"].toInt());
    const auto dropped = [&](const Tensor& values) { return dropout > 0 ? dropped_out(values, dropout, seed) : values; };
    if (context->needs_input_grad(3)) da = matrix_product(dinner.t(), dropped(flat).to(a.scalar_type()));
    if (context->needs_input_grad(4)) db = matrix_product(wide.t(), inner).mul_(scale);
    if (context->needs_input_grad(1)) dweight = matrix_product(gradient.t(), flat);
    if (context->needs_input_grad(2)) dbias = gradient.sum(0);
    if (context->needs_input_grad(0)) {
      dx = matrix_product(gradient, weight);
      if (dropout > 0) dx.add_(dropped(matrix_product(dinner, a)));
      else if (dx.scalar_type() == a.scalar_type()) dx.addmm_(dinner, a);
      else dx.add_(at::mm(dinner, a));
      dx = dx.view_as(x);
    }
    return {dx, dweight, dbias, da, db, Tensor()};
  }
};

/// kaiming_uniform(√5) on [r, in]: uniform(−1/√in, 1/√in).
void draw_a(Tensor& a, const std::string& init, at::Generator& generator) {
  if (init == "gaussian") a.normal_(0, 1.0 / static_cast<double>(a.size(0)), generator);
  else a.uniform_(-1 / std::sqrt(static_cast<double>(a.size(1))), 1 / std::sqrt(static_cast<double>(a.size(1))), generator);
}

}  // namespace

LoraLinear::LoraLinear(Tensor first, Tensor second, double s, double p, std::uint64_t place)
    : a(std::move(first)), b(std::move(second)), scale(s), dropout(p), place_(place) {}

Tensor LoraLinear::forward(const Tensor& x, const LinearImpl& base) const {
  if (strength == 0) return base.product(x);
  const Tensor bias = base.bias.defined() ? base.bias : at::empty({0}, base.weight.options().requires_grad(false));
  return LoraFunction::apply(x, base.weight, bias, a, b, LoraStep{scale * strength, training ? dropout : 0.0, mix(seed, place_)});
}

Tensor LoraLinear::delta() const { return at::mm(b.to(torch::kFloat32), a.to(torch::kFloat32)).mul_(scale * strength); }

LoraAdapter::LoraAdapter(AdapterSettings settings, std::shared_ptr<torch::nn::Module> keep, std::vector<Wrapped> wrapped, std::vector<Saved> saved)
    : settings_(std::move(settings)), keep_(std::move(keep)), wrapped_(std::move(wrapped)), saved_(std::move(saved)) {}

LoraAdapter::~LoraAdapter() { deactivate(); }

std::vector<std::pair<std::string, Tensor>> LoraAdapter::tensors() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const Wrapped& each : wrapped_) {
    all.emplace_back("base_model.model." + each.name + ".lora_A.weight", each.lora->a);
    all.emplace_back("base_model.model." + each.name + ".lora_B.weight", each.lora->b);
  }
  for (const Saved& each : saved_) all.emplace_back("base_model.model." + each.name, each.own);
  std::sort(all.begin(), all.end(), [](const auto& l, const auto& r) { return l.first < r.first; });
  return all;
}

void LoraAdapter::activate() {
  for (Wrapped& each : wrapped_) each.base->adapter = each.lora.get();
  for (Saved& each : saved_) *each.slot = each.own;
  active_ = true;
}

void LoraAdapter::deactivate() {
  if (!active_) return;
  for (Wrapped& each : wrapped_) {
    if (each.base->adapter == each.lora.get()) each.base->adapter = nullptr;
  }
  for (Saved& each : saved_) {
    if (each.slot->is_same(each.own)) *each.slot = each.base;
  }
  active_ = false;
}

void LoraAdapter::set_strength(double strength) {
  for (Wrapped& each : wrapped_) each.lora->strength = strength;
}

void LoraAdapter::set_training(bool training, std::uint64_t seed) {
  for (Wrapped& each : wrapped_) {
    each.lora->training = training;
    each.lora->seed = seed;
  }
}

void LoraAdapter::merge() {
  torch::NoGradGuard no_grad;
  deactivate();
  for (Wrapped& each : wrapped_) each.base->weight.copy_(each.base->weight.to(torch::kFloat32).add_(each.lora->delta()));
  for (Saved& each : saved_) each.base.copy_(each.own);
}

namespace {

/// The model's modules by what an adapter can do with them.
struct Modules {
  std::vector<std::string> linear_names;                                     // in the model's order
  std::map<std::string, Linear> linears;
  std::map<std::string, std::pair<std::string, ParameterModule*>> others;    // name → type, module
  std::map<std::string, std::pair<std::string, Tensor*>> slots;              // tensor name → module name, member
  std::string head_name;
};

Modules list_modules(VisionLanguageModel& model) {
  Modules modules;
  const auto head = model.head();
  for (const auto& item : model.named_modules()) {
    auto* holder = dynamic_cast<ParameterModule*>(item.value().get());
    if (!holder) continue;
    for (const auto& [tensor, slot] : holder->slots()) modules.slots[item.key() + "." + tensor] = {item.key(), slot};
    if (auto linear = std::dynamic_pointer_cast<LinearImpl>(item.value())) {
      modules.linear_names.push_back(item.key());
      modules.linears.emplace(item.key(), Linear(linear));
      if (linear == head.ptr()) modules.head_name = item.key();
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
      return input_error("The module " + name + " is a " + other.first + "; LoRA wraps Linear modules only.", "adapter.target_modules",
                         "Leave it out, or name it in modules_to_save to train it whole.");
    }
  }
  return {};
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Tensor read_tensor(const TensorView& view) {
  return torch::from_blob(const_cast<std::byte*>(view.bytes.data()), view.info.shape, torch::TensorOptions().dtype(scalar_type(view.info.dtype)))
      .to(torch::kFloat32, false, /*copy=*/true);
}

}  // namespace

Result<std::shared_ptr<Adapter>> create_lora(VisionLanguageModel& model, const AdapterSettings& settings, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  const Modules modules = list_modules(model);
  LUTHIER_CHECK(refuse_other_targets(modules, settings));
  std::vector<LoraAdapter::Saved> saved;
  for (const auto& [name, slot] : modules.slots) {
    if (is_saved_module(slot.first, settings.modules_to_save)) saved.push_back({name, slot.second, *slot.second, slot.second->detach().clone()});
  }
  for (const std::string& wanted : settings.modules_to_save) {
    const bool found = std::any_of(saved.begin(), saved.end(), [&](const auto& each) { return is_saved_module(each.name, {wanted}); });
    if (!found) return input_error("The model has no module " + wanted + ".", "adapter.modules_to_save", "`luthier-cli info MODEL` lists the names.");
  }
  LUTHIER_TRY(const auto names, select_modules(modules.linear_names, modules.head_name, settings));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::vector<LoraAdapter::Wrapped> wrapped;
  for (const std::string& name : names) {
    const Linear& base = modules.linears.at(name);
    const std::int64_t rank = rank_of(name, settings);
    if (rank < 1) return input_error("The rank of " + name + " is " + std::to_string(rank) + ".", "adapter.rank_pattern", "A rank is at least 1.");
    Tensor a = torch::empty({rank, base->in_features()}, torch::kFloat32), b = torch::zeros({base->out_features(), rank}, torch::kFloat32);
    draw_a(a, settings.init_lora_weights, generator);
    if (settings.init_lora_weights == "false") draw_a(b, "true", generator);
    const auto device = base->weight.device();
    wrapped.push_back({name, base, std::make_shared<LoraLinear>(a.to(device), b.to(device), scale_of(name, settings), settings.lora_dropout, wrapped.size())});
  }
  return std::shared_ptr<Adapter>(std::make_shared<LoraAdapter>(resolved(settings, names), model.shared_from_this(), std::move(wrapped), std::move(saved)));
}

Result<std::shared_ptr<Adapter>> load_lora(LoadedModel& base, const AdapterSettings& settings, const SafetensorsFile& file) {
  torch::NoGradGuard no_grad;
  const Modules modules = list_modules(*base.model);
  const std::string where = file.path().string();
  static constexpr std::string_view prefix = "base_model.model.";
  struct Pair {
    std::string stored;   // the module's name as the file has it: what its patterns were written for
    std::optional<TensorView> a, b;
  };
  std::map<std::string, Pair> pairs;
  std::vector<LoraAdapter::Saved> saved;
  for (const auto& [key, info] : file.header().tensors) {
    const std::string stored = key.starts_with(prefix) ? key.substr(prefix.size()) : key;
    const auto view = file.find(key);
    const std::string place = where + ": " + key;
    if (info.dtype != DType::F32 && info.dtype != DType::F16 && info.dtype != DType::BF16 && info.dtype != DType::F64) {
      return input_error("The tensor is stored as " + dtype_name(info.dtype) + ".", place, "Adapters hold F32, F16 or BF16.");
    }
    const bool is_a = stored.ends_with(".lora_A.weight"), is_b = stored.ends_with(".lora_B.weight");
    if (is_a || is_b) {
      const std::string module = stored.substr(0, stored.size() - std::string_view(".lora_A.weight").size());
      const std::string name = base.family->memory_name(module + ".");
      Pair& pair = pairs[name.substr(0, name.size() - 1)];
      pair.stored = module;
      (is_a ? pair.a : pair.b) = view;
      continue;
    }
    const auto slot = modules.slots.find(base.family->memory_name(stored));
    if (slot == modules.slots.end()) {
      return input_error("The base has no place for this tensor.", place, "The adapter was made for another base, or by a method that is not LoRA.");
    }
    const std::vector<std::int64_t> expected(slot->second.second->sizes().begin(), slot->second.second->sizes().end());
    if (info.shape != expected) {
      return input_error("The shape is " + shape_text(info.shape) + ", the base has " + shape_text(expected) + ".", place, "The adapter was made for another base.");
    }
    saved.push_back({slot->first, slot->second.second, *slot->second.second, read_tensor(*view).to(slot->second.second->options())});
  }
  if (pairs.empty() && saved.empty()) return input_error("The file holds no tensors.", where, "The adapter is empty.");

  std::vector<LoraAdapter::Wrapped> wrapped;
  for (const std::string& name : modules.linear_names) {
    const auto found = pairs.find(name);
    if (found == pairs.end()) continue;
    const Pair pair = found->second;
    pairs.erase(found);
    const std::string place = where + ": " + pair.stored;
    if (!pair.a || !pair.b) return input_error(std::string("lora_") + (pair.a ? "B" : "A") + " is missing.", place, "The file is incomplete.");
    const Linear& linear = modules.linears.at(name);
    const auto &a = pair.a->info.shape, &b = pair.b->info.shape;
    if (a.size() != 2 || b.size() != 2 || a[0] != b[1] || a[0] < 1 || a[1] != linear->in_features() || b[0] != linear->out_features()) {
      return input_error("lora_A " + shape_text(a) + " and lora_B " + shape_text(b) + " do not fit a weight of " +
                             shape_text({linear->out_features(), linear->in_features()}) + ".", place, "The adapter was made for another base.");
    }
    const std::int64_t rank = rank_of(pair.stored, settings);
    if (rank != a[0]) {
      return input_error("The rank is " + std::to_string(a[0]) + ", adapter_config.json says " + std::to_string(rank) + ".", place,
                         "The two files do not belong together.");
    }
    const auto device = linear->weight.device();
    wrapped.push_back({name, linear, std::make_shared<LoraLinear>(read_tensor(*pair.a).to(device), read_tensor(*pair.b).to(device),
                                                                  scale_of(pair.stored, settings), settings.lora_dropout, wrapped.size())});
  }
  if (!pairs.empty()) {
    return input_error("The base has no Linear named " + pairs.begin()->second.stored + ".", where, "The adapter was made for another base.");
  }
  return std::shared_ptr<Adapter>(std::make_shared<LoraAdapter>(settings, base.model, std::move(wrapped), std::move(saved)));
}

}  // namespace luthier
