// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/build_adapter.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/methods/adapter_tensors.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Finds the folder's adapter_config.json in errors about what its patterns say.
std::string config_beside(const SafetensorsFile& file) {
  return (file.path().parent_path() / Adapter::kConfigFile).string() + ": ";
}

/// Modules on their way to plugs, and what has been made of them.
class Builder {
 public:
  Builder(const Method& method, LoadedModel& base, const AdapterSettings& settings)
      : method_(method), base_(base), settings_(settings), ports_(list_ports(*base.model)) {}

  Ports& ports() { return ports_; }

  void save_module(const std::string& tensor, Tensor* slot, Tensor own) {
    parts_.saved.push_back({tensor, slot, *slot, std::move(own)});
  }
  bool saves() const { return !parts_.saved.empty(); }

  ModuleToHang next(const ModelModule& module, const ModuleScale& scale) const {
    return {module, scale, settings_, places_};
  }

  void hang(const ModuleToHang& to, const std::vector<TensorSize>& sizes,
            std::vector<Tensor> tensors) {
    const torch::Device device = base_.model->device();
    const ModuleMethod& mine = *method_.of_modules;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      tensors[i] = tensors[i].to(device);
      parts_.trained.emplace_back(mine.prefix + mine.root_of(to.module) + sizes[i].suffix,
                                  tensors[i]);
    }
    parts_.hung.push_back(method_.of_modules->hang(ports_, to, tensors));
    if (to.module.linear()) ++places_;
  }

  std::shared_ptr<Adapter> finish(const ModuleSelection& selection) {
    return std::make_shared<Adapter>(method_,
                                     settings_to_write(settings_, ports_.modules, selection),
                                     base_.model, std::move(parts_));
  }

 private:
  const Method& method_;
  LoadedModel& base_;
  const AdapterSettings& settings_;
  Ports ports_;
  Adapter::Parts parts_;
  std::uint64_t places_ = 0;  ///< Linears so far: a plug's draws go by its place among them
};

Result<std::vector<Tensor>> read_tensors(const ModuleMethod& method, const ModuleToHang& to,
                                         const std::vector<TensorSize>& sizes,
                                         const AdapterTensors::OfModule& found,
                                         const std::string& place) {
  std::vector<std::optional<TensorView>> views;
  for (const TensorSize& size : sizes) {
    const auto view = found.views.find(size.suffix);
    views.push_back(view == found.views.end() ? std::nullopt : std::optional(view->second));
  }
  if (method.check) LUTHIER_CHECK(method.check(to, views, place));
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string& suffix = sizes[i].suffix;
    if (!views[i])
      return input_error("The tensor " + suffix.substr(1) + " is missing.", place,
                         "The file is incomplete.");
    if (views[i]->info.shape != sizes[i].shape) {
      return input_error("The shape is " + shape_text(views[i]->info.shape) + ", " +
                             shape_text(sizes[i].shape) + " is expected.",
                         place + suffix,
                         "The adapter was made for another base, or the folder's two files do not "
                         "belong together.");
    }
    LUTHIER_TRY(Tensor tensor, read_adapter_tensor(*views[i], place + suffix));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Status load_saved(Builder& builder, const std::vector<AdapterTensors::Whole>& whole,
                  const std::string& where, ModuleSelection& selection) {
  const auto& slots = builder.ports().slots;
  for (const AdapterTensors::Whole& each : whole) {
    const std::string place = where + ": " + each.key;
    const auto slot = slots.find(each.name);
    if (slot == slots.end()) {
      return input_error("The base has no place for this tensor.", place,
                         "The adapter was made for another base, or by another method than its "
                         "adapter_config.json says.");
    }
    const Tensor& own = *slot->second.second;
    if (each.view.info.shape != own.sizes().vec()) {
      return input_error("The shape is " + shape_text(each.view.info.shape) + ", the base has " +
                             shape_text(own.sizes().vec()) + ".",
                         place, other_base(slot->first, each.view.info.shape, own.sizes().vec()));
    }
    LUTHIER_TRY(Tensor read, read_adapter_tensor(each.view, place));
    read = read.to(own.options());
    if (each.beside_plug && at::equal(read, own)) continue;  // the base's own
    builder.save_module(slot->first, slot->second.second, std::move(read));
    selection.saved.push_back(slot->second.first);
  }
  return {};
}

}  // namespace

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

Result<std::shared_ptr<Adapter>> build_fresh(const Method& method, LoadedModel& base,
                                             const AdapterSettings& settings, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const ModuleMethod& of_modules = *method.of_modules;
  Builder builder(method, base, settings);
  const Ports& ports = builder.ports();
  LUTHIER_TRY(const ModuleSelection selection,
              of_modules.select(ports.modules, ports.head_name, settings));
  for (const auto& [name, linear] : ports.linears) {
    if (linear->weight.can_train() || !is_saved_module(name, settings.modules_to_save)) continue;
    return input_error("The weight of " + name + " is packed and cannot be trained whole.",
                       "adapter.modules_to_save",
                       "Name it in quantization.llm_int8_skip_modules too.");
  }
  for (const auto& [name, slot] : ports.slots) {
    if (is_saved_module(slot.first, settings.modules_to_save))
      builder.save_module(name, slot.second, slot.second->detach().clone());
  }
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const WrappedModule& wrapped : selection.wrapped) {
    const auto module =
        std::find_if(ports.modules.begin(), ports.modules.end(),
                     [&](const ModelModule& each) { return each.name == wrapped.name; });
    const ModuleToHang to = builder.next(*module, wrapped.scale);
    const std::vector<TensorSize> sizes = of_modules.sizes(*module, wrapped.scale, settings);
    std::vector<Tensor> tensors;
    for (const TensorSize& size : sizes)
      tensors.push_back(torch::zeros(size.shape, torch::kFloat32));
    of_modules.draw(tensors, to, generator);
    builder.hang(to, sizes, std::move(tensors));
  }
  return builder.finish(selection);
}

Result<std::shared_ptr<Adapter>> build_from(const Method& method, LoadedModel& base,
                                            const AdapterSettings& settings,
                                            const SafetensorsFile& file) {
  const torch::NoGradGuard no_grad;
  const ModuleMethod& of_modules = *method.of_modules;
  const std::string where = file.path().string();
  Builder builder(method, base, settings);
  LUTHIER_TRY(const ScalePatterns scales, ScalePatterns::compile(settings, config_beside(file)));
  LUTHIER_TRY(AdapterTensors tensors,
              sort_adapter_tensors(file, *base.family, of_modules.suffixes));
  ModuleSelection selection;
  LUTHIER_CHECK(load_saved(builder, tensors.whole, where, selection));
  if (tensors.modules.empty() && !builder.saves())
    return input_error("The file holds no tensors.", where, "The adapter is empty.");
  for (const ModelModule& module : builder.ports().modules) {
    const auto found = tensors.modules.find(of_modules.root_of(module));
    if (found == tensors.modules.end() || !of_modules.wrapping.can(module)) continue;
    const std::string place = where + ": " + found->second.stored;
    LUTHIER_TRY(const ModuleScale scale, scales.of(found->second.stored));
    const ModuleToHang to = builder.next(module, scale);
    const std::vector<TensorSize> sizes = of_modules.sizes(module, scale, settings);
    LUTHIER_TRY(std::vector<Tensor> read,
                read_tensors(of_modules, to, sizes, found->second, place));
    selection.wrapped.push_back({module.name, scale});
    builder.hang(to, sizes, std::move(read));
    tensors.modules.erase(found);
  }
  if (!tensors.modules.empty()) {
    return input_error("The base has no module named " + tensors.modules.begin()->second.stored +
                           " that this method hangs on.",
                       where, "The adapter was made for another base.");
  }
  return builder.finish(selection);
}

Result<ModuleSelection> selection_of(const Method& method, const Family& family,
                                     const std::vector<ModelModule>& modules,
                                     const AdapterSettings& settings, const SafetensorsFile& file) {
  const ModuleMethod& of_modules = *method.of_modules;
  LUTHIER_TRY(AdapterTensors tensors, sort_adapter_tensors(file, family, of_modules.suffixes));
  LUTHIER_TRY(const ScalePatterns scales, ScalePatterns::compile(settings, config_beside(file)));
  ModuleSelection selection;
  for (const ModelModule& module : modules) {
    const auto found = tensors.modules.find(of_modules.root_of(module));
    if (found == tensors.modules.end() || !of_modules.wrapping.can(module)) continue;
    LUTHIER_TRY(const ModuleScale scale, scales.of(found->second.stored));
    selection.wrapped.push_back(
        {module.name, scale, of_modules.share(found->second.elements(), module, scale, settings)});
    for (const auto& [suffix, view] : found->second.views)
      selection.wrapped.back().shapes.push_back(view.info.shape);
  }
  for (const AdapterTensors::Whole& whole : tensors.whole) {
    // Beside a plug it nearly always is the base's own weight.
    if (!whole.beside_plug) selection.saved.push_back(whole.name.substr(0, whole.name.rfind('.')));
  }
  return selection;
}

}  // namespace luthier
