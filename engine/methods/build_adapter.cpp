// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/build_adapter.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "engine/base/text.h"
#include "engine/methods/adapter_tensors.h"
#include "engine/methods/folder_check.h"
#include "engine/methods/token_rows.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Finds the folder's adapter_config.json in errors about what its patterns say.
std::string config_beside(const SafetensorsFile& file) {
  return (file.path().parent_path() / Adapter::kConfigFile).string() + ": ";
}

/// The folder's patterns, each fault said of the field as the method calls it.
Result<ScalePatterns> scales_of(const ModuleMethod& method, const AdapterSettings& settings,
                                const SafetensorsFile& file) {
  const std::string beside = config_beside(file);
  auto scales = ScalePatterns::compile(settings, beside);
  if (scales || scales.error().where != beside + "rank_pattern") return scales;
  const Error& fault = scales.error();
  return input_error(fault.what, beside + method.rank_pattern, fault.hint);
}

constexpr std::string_view kBias = ".bias";

/// Whether a tensor is a bias that trains by itself, not with the module that it belongs to.
bool is_trained_bias(const std::string& name, const AdapterSettings& settings) {
  return settings.bias != "none" && name.ends_with(kBias) &&
         !is_saved_module(name.substr(0, name.size() - kBias.size()), settings.modules_to_save);
}

/// Whether a whole tensor in the file is one that the config says trains. PEFT finds its modules by
/// the bare ends of names ("head" is lm_head too), and also writes the embedding and the head where
/// their sizes were changed.
bool is_named_whole(const AdapterTensors::Whole& whole, const std::string& module,
                    const std::string& head, const AdapterSettings& settings) {
  if (whole.beside_plug || module == head || ends_after_dot(module, "embed_tokens")) return true;
  const auto within = [&](const std::string& saved) {
    return (module + ".").find(saved + ".") != std::string::npos ||
           whole.key.find(saved + ".") != std::string::npos;
  };
  const std::vector<std::string>& names = settings.modules_to_save;
  return std::any_of(names.begin(), names.end(), within);
}

/// A head that shares the embedding's weight: both by their tensors' names.
struct Tie {
  std::string embedding, head;

  bool has(const std::string& tensor) const { return tensor == embedding || tensor == head; }
};

/// None: the head has a weight of its own, or the settings (PEFT's ensure_weight_tying) ask for
/// nothing.
std::optional<Tie> tie_to_keep(const Ports& ports, const AdapterSettings& settings) {
  if (!settings.more.flag("adapter.ensure_weight_tying")) return std::nullopt;
  Tie tie{"", ports.head_name + ".weight"};
  const auto head = ports.slots.find(tie.head);
  if (head == ports.slots.end()) return std::nullopt;
  for (const auto& [name, slot] : ports.slots) {
    if (name != tie.head && slot.second->is_same(*head->second.second)) tie.embedding = name;
  }
  return tie.embedding.empty() ? std::nullopt : std::optional(tie);
}

/// Modules on their way to plugs, and what has been made of them.
class Builder {
 public:
  Builder(const Method& method, LoadedModel& base, const AdapterSettings& settings)
      : method_(method), base_(base), settings_(settings), ports_(list_ports(*base.model)) {}

  Ports& ports() { return ports_; }

  void save_module(const std::string& tensor, Tensor* slot, Tensor own) {
    parts_.saved.push_back({std::string(kPeftPrefix) + tensor, slot, *slot, std::move(own)});
  }
  /// A bias of the base's that trains. PEFT's wrapped modules hold the base's within them.
  void save_bias(const std::string& tensor, Tensor* slot, Tensor own, bool wrapped) {
    save_module(tensor, slot, std::move(own));
    const std::string module = tensor.substr(0, tensor.size() - kBias.size());
    if (wrapped)
      parts_.saved.back().key =
          std::string(kPeftPrefix) + module + ".base_layer" + std::string(kBias);
  }
  /// One copy at both ends of a tied head, which the file has under both names.
  void save_tied(const Tie& tie, Tensor own) {
    Tensor* slot = ports_.slots.at(tie.embedding).second;
    save_module(tie.embedding, slot, std::move(own));
    parts_.saved.back().also = {ports_.slots.at(tie.head).second};
    parts_.saved.back().also_as = {std::string(kPeftPrefix) + tie.head};
    parts_.both_ends.push_back(parts_.saved.back().key);
  }
  bool saves() const { return !parts_.saved.empty(); }
  /// Of modules that are trained whole, each tensor must be there.
  Status check_saved(const std::vector<std::string>& modules, const std::optional<Tie>& tie,
                     const std::string& where) const {
    const std::set<std::string> whole(modules.begin(), modules.end());
    for (const auto& [name, slot] : ports_.slots) {
      if (!whole.contains(slot.first) || (tie && tie->has(name))) continue;
      const bool there =
          is_trained_bias(name, settings_) ||
          std::any_of(parts_.saved.begin(), parts_.saved.end(),
                      [tensor = slot.second](const auto& one) { return one.slot == tensor; });
      if (!there)
        return input_error("The tensor " + name + " is missing.", where, "The file is incomplete.");
    }
    return {};
  }

  /// The next module on its way, where the method can hang on it as it stands here.
  Result<ModuleToHang> next(const ModelModule& module, const ModuleScale& scale, bool fresh) const {
    const ModuleToHang to{module, scale, settings_, places_, fresh, shared_};
    if (method_.of_modules->check_base) LUTHIER_CHECK(method_.of_modules->check_base(ports_, to));
    return to;
  }

  /// Before the first plug that reads them.
  void share(std::vector<Tensor> tensors) {
    const SharedTensors& kind = *method_.of_modules->shared;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      shared_.push_back(tensors[i].to(base_.model->device()));
      if (kind.in_file(settings_)) parts_.beside.emplace_back(kind.keys[i], shared_.back());
    }
  }

  void hang(const ModuleToHang& to, const std::vector<TensorSize>& sizes,
            std::vector<Tensor> tensors) {
    const torch::Device device = base_.model->device();
    const ModuleMethod& mine = *method_.of_modules;
    if (mine.copies) return place(to, sizes, tensors);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      tensors[i] = tensors[i].to(device);
      parts_.trained.emplace_back(mine.prefix + mine.root_of(to.module) + sizes[i].suffix,
                                  tensors[i]);
    }
    parts_.hung.push_back(method_.of_modules->hang(ports_, to, tensors));
    if (parts_.hung.back().both_ends) {
      for (const TensorSize& size : sizes) {
        parts_.both_ends.push_back(mine.prefix + mine.root_of(to.module) + size.suffix);
        parts_.both_ends.push_back(mine.prefix + ports_.head_name + size.suffix);
      }
    }
    if (to.module.linear() || to.module.convolution()) ++places_;
  }

  /// What a file says of a tied head once more, which must be what it says of the embedding.
  Status take_twin(AdapterTensors& tensors, const std::string& where) const {
    const auto twin = tensors.modules.find(ports_.head_name);
    const bool both = std::any_of(parts_.hung.begin(), parts_.hung.end(),
                                  [](const Adapter::Hung& each) { return each.both_ends; });
    if (!both || twin == tensors.modules.end()) return {};
    for (const auto& [suffix, view] : twin->second.views) {
      const std::string place = where + ": " + twin->second.stored + suffix;
      LUTHIER_TRY(const Tensor read, read_adapter_tensor(view, place));
      const bool same =
          std::any_of(parts_.trained.begin(), parts_.trained.end(), [&](const Adapter::Named& one) {
            return one.first.ends_with(suffix) && at::equal(one.second.cpu(), read);
          });
      if (!same)
        return input_error("The tied head has other rows than the embedding.", place,
                           "The base's head is tied to its embedding, that of the adapter's was "
                           "not.");
    }
    tensors.modules.erase(twin);
    return {};
  }

  /// What the module reads in the place that a tensor of a method of copies stands for.
  Tensor* slot_of(const ModelModule& module, const TensorSize& size) const {
    return ports_.slots.at(module.name + size.suffix.substr(size.suffix.rfind('.'))).second;
  }

  /// Rows of the embedding that train beside what hangs on modules.
  Status hang_rows(const std::string& embedding, const std::vector<std::int64_t>& ids,
                   Tensor rows) {
    rows = rows.to(base_.model->device());
    Adapter::Hung hung = hang_token_rows(ports_, embedding, ids, rows);
    const bool head_taken =
        std::any_of(parts_.hung.begin(), parts_.hung.end(),
                    [&](const Adapter::Hung& each) { return each.module == ports_.head_name; });
    if (hung.both_ends && head_taken) {
      return input_error("Rows of " + embedding +
                             " train, which the head shares, and the head has "
                             "an adapter of its own.",
                         method_.of_modules->token_rows,
                         "Take the head out of target_modules, or the rows out.");
    }
    parts_.hung.push_back(std::move(hung));
    parts_.trained.emplace_back(std::string(kPeftPrefix) + embedding + kTokenRows, rows);
    if (parts_.hung.back().both_ends) parts_.both_ends.push_back(parts_.trained.back().first);
    return {};
  }

  std::shared_ptr<Adapter> finish(const ModuleSelection& selection) {
    if (const auto course = method_.of_modules->course)
      parts_.course = course(parts_.trained, settings_);
    return std::make_shared<Adapter>(method_,
                                     settings_to_write(settings_, ports_.modules, selection),
                                     base_.model, std::move(parts_));
  }

 private:
  /// Copies in the places of the module's own tensors, in the types of those.
  void place(const ModuleToHang& to, const std::vector<TensorSize>& sizes,
             const std::vector<Tensor>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      Tensor* slot = slot_of(to.module, sizes[i]);
      const Tensor own = tensors[i].to(slot->device(), slot->scalar_type(), false, /*copy=*/true);
      const std::string root = method_.of_modules->prefix + to.module.name;
      parts_.saved.push_back({root + sizes[i].suffix, slot, *slot, own, /*scales=*/true});
    }
  }

  const Method& method_;
  LoadedModel& base_;
  const AdapterSettings& settings_;
  Ports ports_;
  Adapter::Parts parts_;
  std::vector<Tensor> shared_;
  std::uint64_t places_ = 0;  ///< products so far: a plug's draws go by its place among them
};

Result<std::vector<Tensor>> read_tensors(const ModuleMethod& method, const ModuleToHang& to,
                                         const std::vector<TensorSize>& sizes,
                                         const AdapterTensors::OfModule& found,
                                         const std::string& place) {
  for (const auto& [suffix, view] : found.views) {
    const bool known = std::any_of(sizes.begin(), sizes.end(),
                                   [&](const TensorSize& size) { return size.suffix == suffix; });
    if (known) continue;
    return input_error("The tensor " + suffix.substr(1) +
                           " is there, and nothing that adapter_config.json says has one.",
                       place, "The two files do not belong together.");
  }
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

/// What stands behind a module's name where patterns are matched with its weight's.
const char* end_of(const WrappedModule& module) { return module.by_parameter ? ".weight" : ""; }

/// Pairs on a tied weight would be one pair under two names, which train apart in PEFT.
Status check_tie(const std::optional<Tie>& tie, const ModuleSelection& selection) {
  for (const WrappedModule& wrapped : selection.wrapped) {
    if (!tie || !tie->has(wrapped.name + ".weight")) continue;
    return input_error(wrapped.name +
                           " shares its weight, and a pair on it cannot be one at both "
                           "ends.",
                       "adapter.ensure_weight_tying",
                       "Name it in modules_to_save, or write ensure_weight_tying: false.");
  }
  return {};
}

/// The tokens whose rows train beside what hangs on modules.
std::vector<std::int64_t> row_ids(const ModuleMethod& method, const AdapterSettings& settings) {
  return method.token_rows ? token_ids(settings, method.token_rows) : std::vector<std::int64_t>();
}

/// All that a key of the method can end in.
std::vector<std::string> all_suffixes(const ModuleMethod& method) {
  std::vector<std::string> suffixes = method.suffixes;
  if (method.token_rows) suffixes.emplace_back(kTokenRows);
  return suffixes;
}

/// The embedding's rows out of a file's tensors: the module in memory and what the file has of it.
using FoundRows = std::pair<std::string, TensorView>;
std::optional<FoundRows> taken_rows(AdapterTensors& tensors) {
  for (auto& [module, found] : tensors.modules) {
    const auto rows = found.views.find(kTokenRows);
    if (rows == found.views.end()) continue;
    const FoundRows taken{module, rows->second};
    found.views.erase(rows);
    if (found.views.empty()) tensors.modules.erase(taken.first);
    return taken;
  }
  return std::nullopt;
}

Status load_rows(Builder& builder, const ModuleMethod& method, const AdapterSettings& settings,
                 const std::optional<FoundRows>& found, const std::string& where) {
  const std::vector<std::int64_t> ids = row_ids(method, settings);
  if (!found && ids.empty()) return {};
  if (!found)
    return input_error("The tensor " + std::string(kTokenRows).substr(1) + " is missing.", where,
                       "The file is incomplete.");
  const std::string place = where + ": " + found->first + kTokenRows;
  const auto embedding = builder.ports().embeddings.find(found->first);
  if (embedding == builder.ports().embeddings.end()) {
    return input_error("The base has no place for this tensor.", place,
                       "The adapter was made for another base, or by another method than its "
                       "adapter_config.json says.");
  }
  const Tensor& weight = embedding->second->weight;
  LUTHIER_CHECK(check_token_ids(settings, method.token_rows, weight.size(0)));
  const std::vector<std::int64_t> expected{static_cast<std::int64_t>(ids.size()), weight.size(1)};
  if (found->second.info.shape != expected) {
    return input_error("The shape is " + shape_text(found->second.info.shape) + ", " +
                           shape_text(expected) + " is expected.",
                       place,
                       "The adapter was made for another base, or the folder's two files do not "
                       "belong together.");
  }
  LUTHIER_TRY(Tensor rows, read_adapter_tensor(found->second, place));
  return builder.hang_rows(found->first, ids, std::move(rows));
}

/// Takes the shared tensors out of what is in no module, or makes them.
Status load_shared(Builder& builder, const ModuleMethod& method, AdapterTensors& tensors,
                   const AdapterSettings& settings, const std::string& where) {
  if (!method.shared) return {};
  std::vector<const ModelModule*> wrapped;
  for (const ModelModule& module : builder.ports().modules) {
    if (method.wrapping.can(module) && tensors.modules.contains(method.root_of(module)))
      wrapped.push_back(&module);
  }
  if (wrapped.empty()) return {};  // of another method's tensors nothing can be made
  std::vector<Tensor> shared = method.shared->make(wrapped, settings);
  for (std::size_t i = 0; i < shared.size(); ++i) {
    const std::string& key = method.shared->keys[i];
    const auto found = std::find_if(tensors.whole.begin(), tensors.whole.end(),
                                    [&](const auto& whole) { return whole.key == key; });
    if (!method.shared->in_file(settings)) {
      if (found != tensors.whole.end()) tensors.whole.erase(found);  // PEFT leaves it alone, too
      continue;
    }
    const std::string place = where + ": " + key;
    if (found == tensors.whole.end())
      return input_error("The tensor " + key + " is missing.", place, "The file is incomplete.");
    const std::vector<std::int64_t>&got = found->view.info.shape, wanted = shared[i].sizes().vec();
    if (got != wanted) {
      return input_error("The shape is " + shape_text(got) + ", " + shape_text(wanted) +
                             " is expected.",
                         place,
                         "The adapter was made for another base, or the folder's two files do not "
                         "belong together.");
    }
    LUTHIER_TRY(shared[i], read_adapter_tensor(found->view, place));
    tensors.whole.erase(found);
  }
  builder.share(std::move(shared));
  return {};
}

Status load_saved(Builder& builder, const AdapterTensors& tensors, const AdapterSettings& settings,
                  const std::optional<Tie>& tie, const std::string& where,
                  ModuleSelection& selection) {
  Tensor both;  // of a tied head and its embedding
  const auto& slots = builder.ports().slots;
  for (const AdapterTensors::Whole& each : tensors.whole) {
    const std::string place = where + ": " + each.key;
    const auto slot = slots.find(each.name);
    if (slot == slots.end()) {
      return input_error("The base has no place for this tensor.", place,
                         "The adapter was made for another base, or by another method than its "
                         "adapter_config.json says.");
    }
    if (!is_trained_bias(slot->first, settings) &&
        !is_named_whole(each, slot->second.first, builder.ports().head_name, settings)) {
      return input_error("The file has this tensor whole, and modules_to_save does not name " +
                             slot->second.first + ".",
                         place, "The folder's two files do not belong together.");
    }
    const Tensor& own = *slot->second.second;
    if (each.view.info.shape != own.sizes().vec()) {
      return input_error("The shape is " + shape_text(each.view.info.shape) + ", the base has " +
                             shape_text(own.sizes().vec()) + ".",
                         place, other_base(slot->first, each.view.info.shape, own.sizes().vec()));
    }
    LUTHIER_TRY(Tensor read, read_adapter_tensor(each.view, place));
    read = read.to(own.options());
    if (is_trained_bias(slot->first, settings)) {
      const std::string& module = slot->second.first;
      builder.save_bias(slot->first, slot->second.second, std::move(read),
                        tensors.modules.contains(module));
      selection.biases.push_back(module);
      continue;
    }
    if (tie && tie->has(each.name)) {
      if (both.defined() && !at::equal(read, both)) {
        return input_error(
            "The head and the embedding have different weights, and "
            "ensure_weight_tying says that they share one.",
            place, "Take ensure_weight_tying out of adapter_config.json.");
      }
      if (!both.defined()) selection.saved.push_back(slot->second.first);
      both = std::move(read);
      continue;
    }
    if (each.beside_plug && at::equal(read, own)) continue;  // the base's own
    builder.save_module(slot->first, slot->second.second, std::move(read));
    selection.saved.push_back(slot->second.first);
  }
  if (both.defined()) builder.save_tied(*tie, std::move(both));
  return {};
}

}  // namespace

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
  const std::optional<Tie> tie = tie_to_keep(ports, settings);
  LUTHIER_CHECK(check_tie(tie, selection));
  bool saves_tied = false;
  for (const auto& [name, slot] : ports.slots) {
    if (!is_saved_module(slot.first, settings.modules_to_save)) continue;
    const bool tied = tie && tie->has(name);
    if (tied && saves_tied) continue;
    if (tied)
      builder.save_tied(*tie, slot.second->detach().clone());
    else
      builder.save_module(name, slot.second, slot.second->detach().clone());
    saves_tied = saves_tied || tied;
  }
  std::set<std::string> wrapped_modules;
  for (const WrappedModule& wrapped : selection.wrapped) wrapped_modules.insert(wrapped.name);
  const std::set<std::string> biases(selection.biases.begin(), selection.biases.end());
  for (const auto& [name, slot] : ports.slots) {
    if (is_trained_bias(name, settings) && biases.contains(slot.first))
      builder.save_bias(name, slot.second, slot.second->detach().clone(),
                        wrapped_modules.contains(slot.first));
  }
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto module_of = [&](const WrappedModule& wrapped) {
    return std::find_if(ports.modules.begin(), ports.modules.end(),
                        [&](const ModelModule& each) { return each.name == wrapped.name; });
  };
  if (of_modules.shared) {
    std::vector<const ModelModule*> wrapped;
    for (const WrappedModule& each : selection.wrapped) wrapped.push_back(&*module_of(each));
    builder.share(of_modules.shared->make(wrapped, settings));
  }
  for (const WrappedModule& wrapped : selection.wrapped) {
    const auto module = module_of(wrapped);
    LUTHIER_TRY(const ModuleToHang to, builder.next(*module, wrapped.scale, true));
    const std::vector<TensorSize> sizes = of_modules.sizes(*module, wrapped.scale, settings);
    std::vector<Tensor> tensors;
    for (const TensorSize& size : sizes) {
      tensors.push_back(of_modules.copies ? builder.slot_of(*module, size)->detach()
                                          : torch::zeros(size.shape, torch::kFloat32));
    }
    if (of_modules.draw) of_modules.draw(tensors, to, generator);
    if (of_modules.start) of_modules.start(tensors, to, ports);
    builder.hang(to, sizes, std::move(tensors));
  }
  const std::vector<std::int64_t> ids = row_ids(of_modules, settings);
  if (!ids.empty()) {
    const auto& [embedding, module] = *ports.embeddings.begin();
    LUTHIER_CHECK(builder.hang_rows(embedding, ids, base_token_rows(*module, ids)));
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
  LUTHIER_TRY(const ScalePatterns scales, scales_of(of_modules, settings, file));
  LUTHIER_TRY(AdapterTensors tensors,
              sort_adapter_tensors(file, *base.family, all_suffixes(of_modules)));
  ModuleSelection selection;
  const std::optional<Tie> tie = tie_to_keep(builder.ports(), settings);
  LUTHIER_CHECK(load_shared(builder, of_modules, tensors, settings, where));
  LUTHIER_CHECK(load_saved(builder, tensors, settings, tie, where, selection));
  if (tensors.modules.empty() && !builder.saves())
    return input_error("The file holds no tensors.", where, "The adapter is empty.");
  const std::optional<FoundRows> rows = taken_rows(tensors);
  const std::vector<std::string> by_weight = of_modules.target_parameters(settings);
  FolderContents contents;
  contents.saved.insert(selection.saved.begin(), selection.saved.end());
  contents.biases.insert(selection.biases.begin(), selection.biases.end());
  if (tie && builder.saves()) {  // one tensor under either name
    for (const std::string& end : {tie->embedding, tie->head})
      contents.saved.insert(end.substr(0, end.rfind('.')));
  }
  contents.config = (file.path().parent_path() / Adapter::kConfigFile).string();
  contents.tensors = where;
  for (const ModelModule& module : builder.ports().modules) {
    const auto found = tensors.modules.find(of_modules.root_of(module));
    if (found == tensors.modules.end() || !of_modules.wrapping.can(module)) continue;
    const std::string place = where + ": " + found->second.stored;
    WrappedModule wrapped{module.name, {}};
    wrapped.by_parameter = is_target_parameter(module, by_weight);
    LUTHIER_TRY(wrapped.scale, scales.of(found->second.stored + end_of(wrapped)));
    const ModuleScale& scale = wrapped.scale;
    if (of_modules.check_module) LUTHIER_CHECK(of_modules.check_module(module, settings));
    LUTHIER_TRY(const ModuleToHang to, builder.next(module, scale, false));
    const std::vector<TensorSize> sizes = of_modules.sizes(module, scale, settings);
    LUTHIER_TRY(std::vector<Tensor> read,
                read_tensors(of_modules, to, sizes, found->second, place));
    builder.hang(to, sizes, std::move(read));
    selection.wrapped.push_back(wrapped);
    contents.hung.insert(module.name);
    if (wrapped.by_parameter) contents.by_weight.insert(module.name);
    contents.older = contents.older || found->second.stored != of_modules.root_of(module);
    tensors.modules.erase(found);
  }
  LUTHIER_CHECK(builder.take_twin(tensors, where));
  LUTHIER_CHECK(load_rows(builder, of_modules, settings, rows, where));
  if (!tensors.modules.empty()) {
    return input_error("The base has no module named " + tensors.modules.begin()->second.stored +
                           " that this method hangs on.",
                       where, "The adapter was made for another base.");
  }
  LUTHIER_CHECK(builder.check_saved(selection.saved, tie, where));
  LUTHIER_CHECK(check_contents(of_modules, builder.ports().modules, builder.ports().head_name,
                               settings, contents));
  return builder.finish(selection);
}

Result<ModuleSelection> selection_of(const Method& method, const Family& family,
                                     const std::vector<ModelModule>& modules,
                                     const AdapterSettings& settings, const SafetensorsFile& file) {
  const ModuleMethod& of_modules = *method.of_modules;
  LUTHIER_TRY(AdapterTensors tensors, sort_adapter_tensors(file, family, all_suffixes(of_modules)));
  const std::optional<FoundRows> rows = taken_rows(tensors);
  const std::vector<std::string> by_weight = of_modules.target_parameters(settings);
  LUTHIER_TRY(const ScalePatterns scales, scales_of(of_modules, settings, file));
  ModuleSelection selection;
  for (const ModelModule& module : modules) {
    const auto found = tensors.modules.find(of_modules.root_of(module));
    if (found == tensors.modules.end() || !of_modules.wrapping.can(module)) continue;
    WrappedModule wrapped{module.name, {}};
    wrapped.by_parameter = is_target_parameter(module, by_weight);
    LUTHIER_TRY(wrapped.scale, scales.of(found->second.stored + end_of(wrapped)));
    wrapped.share = of_modules.share(found->second.elements(), module, wrapped.scale, settings);
    selection.wrapped.push_back(std::move(wrapped));
    for (const auto& [suffix, view] : found->second.views)
      selection.wrapped.back().shapes.push_back(view.info.shape);
  }
  if (rows) {
    selection.parameters += rows->second.info.elements();
    selection.shapes.push_back(rows->second.info.shape);
  }
  const auto is_shared = [&](const std::string& key) {
    return of_modules.shared &&
           std::find(of_modules.shared->keys.begin(), of_modules.shared->keys.end(), key) !=
               of_modules.shared->keys.end();
  };
  for (const AdapterTensors::Whole& whole : tensors.whole) {
    if (is_shared(whole.key)) continue;
    const std::string module = whole.name.substr(0, whole.name.rfind('.'));
    // Beside a plug it nearly always is the base's own weight.
    if (is_trained_bias(whole.name, settings))
      selection.biases.push_back(module);
    else if (!whole.beside_plug)
      selection.saved.push_back(module);
  }
  return selection;
}

}  // namespace luthier
