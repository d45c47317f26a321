// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter from the tensors of a folder: each has its place in the base and its size by the
// settings, none is left over, and what does not fit is an Input error that names it.
#include <algorithm>
#include <string_view>

#include "engine/base/text.h"
#include "engine/methods/adapter_builder.h"
#include "engine/methods/build_adapter.h"
#include "engine/methods/folder_check.h"
#include "engine/methods/token_rows.h"
#include "engine/models/score_head.h"

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
  return ScalePatterns::compile(settings, config_beside(file), method.rank_keys);
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
    LUTHIER_TRY(Tensor tensor, read_adapter_tensor(*views[i], sizes[i].shape, place + suffix));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
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

Status load_rows(AdapterBuilder& builder, const ModuleMethod& method,
                 const AdapterSettings& settings, const std::optional<FoundRows>& found,
                 const std::string& where) {
  const std::vector<std::int64_t> ids = row_ids(method, settings);
  if (!found && ids.empty()) return {};
  if (!found)
    return input_error("The tensor " + std::string(kTokenRows).substr(1) + " is missing.", where,
                       "The file is incomplete.");
  const std::string place = where + ": " + found->first + kTokenRows;
  const auto embedding = builder.ports().embeddings.find(found->first);
  if (embedding == builder.ports().embeddings.end()) return no_place_for(place);
  const Tensor& weight = embedding->second->weight;
  LUTHIER_CHECK(check_token_ids(settings, method.token_rows, weight.size(0)));
  const std::vector<std::int64_t> expected{static_cast<std::int64_t>(ids.size()), weight.size(1)};
  LUTHIER_TRY(Tensor rows, read_adapter_tensor(found->second, expected, place));
  return builder.hang_rows(found->first, ids, std::move(rows));
}

/// Takes the shared tensors out of what is in no module, or makes them.
Status load_shared(AdapterBuilder& builder, const ModuleMethod& method, AdapterTensors& tensors,
                   const AdapterSettings& settings, const std::string& where) {
  if (!method.shared) return {};
  std::vector<const ModelModule*> wrapped;
  for (const ModelModule& module : builder.ports().modules) {
    if (method.wrapping.can(module) && tensors.modules.contains(method.root_of(module, settings)))
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
    LUTHIER_TRY(shared[i], read_adapter_tensor(found->view, shared[i].sizes().vec(), place));
    tensors.whole.erase(found);
  }
  builder.share(std::move(shared));
  return {};
}

Status load_saved(AdapterBuilder& builder, const AdapterTensors& tensors,
                  const AdapterSettings& settings, const std::optional<Tie>& tie,
                  const std::string& where, ModuleSelection& selection) {
  Tensor both;  // of a tied head and its embedding
  const auto& slots = builder.ports().slots;
  for (const AdapterTensors::Whole& each : tensors.whole) {
    const std::string place = where + ": " + each.key;
    const auto slot = slots.find(each.name);
    if (slot == slots.end()) return no_place_for(place);
    if (!is_trained_bias(slot->first, settings) &&
        !is_named_whole(each, slot->second.first, builder.ports().head_name, settings)) {
      return input_error("The file has this tensor whole, and modules_to_save does not name " +
                             slot->second.first + ".",
                         place, "The folder's two files do not belong together.");
    }
    if (!is_trained_bias(slot->first, settings))
      LUTHIER_CHECK(check_saved_conv1d(builder.ports(), slot->second.first, place));
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

/// Of a module in the file that nothing hung on: the base lacks it, or the method cannot wrap it.
Error no_module_for(const ModuleMethod& of_modules, const std::vector<ModelModule>& modules,
                    const AdapterSettings& settings,
                    const std::pair<const std::string, AdapterTensors::OfModule>& left,
                    const std::string& where) {
  for (const ModelModule& module : modules) {
    if (module.stack() || of_modules.root_of(module, settings) != left.first ||
        of_modules.wrapping.can(module))
      continue;
    return input_error("The module " + left.second.stored + " is a " + module.type + ". " +
                           of_modules.wrapping.sentence,
                       where, "Train another adapter without it.");
  }
  return input_error(
      "The base has no module named " + left.second.stored + " that this method hangs on.", where,
      "The adapter was made for another base.");
}

}  // namespace

Result<std::shared_ptr<Adapter>> build_from(const Method& method, LoadedModel& base,
                                            const AdapterSettings& settings,
                                            const SafetensorsFile& file) {
  const torch::NoGradGuard no_grad;
  const ModuleMethod& of_modules = *method.of_modules;
  const std::string where = file.path().string();
  AdapterBuilder builder(method, base, settings);
  LUTHIER_TRY(const ScalePatterns scales, scales_of(of_modules, settings, file));
  LUTHIER_TRY(AdapterTensors tensors,
              sort_adapter_tensors(file, *base.family, all_suffixes(of_modules)));
  ModuleSelection selection;
  const std::optional<Tie> tie = tie_to_keep(builder.ports(), settings);
  LUTHIER_CHECK(load_shared(builder, of_modules, tensors, settings, where));
  LUTHIER_CHECK(builder.save_score_head(tensors, where));
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
    const bool by_parameter = is_target_parameter(module, by_weight);
    const auto found = tensors.modules.find(of_modules.root_of(module, settings));
    if (found == tensors.modules.end() || !can_hang(of_modules.wrapping, module, by_parameter))
      continue;
    const std::string place = where + ": " + found->second.stored;
    WrappedModule wrapped{module.name, {}};
    wrapped.by_parameter = by_parameter, wrapped.stack = module.stack();
    LUTHIER_TRY(wrapped.scale, scales.of(wrapped.pattern_name(found->second.stored)));
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
    contents.older = contents.older || found->second.stored != of_modules.root_of(module, settings);
    tensors.modules.erase(found);
  }
  LUTHIER_CHECK(builder.take_twin(tensors, where));
  LUTHIER_CHECK(load_rows(builder, of_modules, settings, rows, where));
  if (!tensors.modules.empty())
    return no_module_for(of_modules, builder.ports().modules, settings, *tensors.modules.begin(),
                         where);
  LUTHIER_CHECK(builder.check_saved(selection.saved, tie, where));  // a copy may be one of them
  LUTHIER_CHECK(check_contents(of_modules, builder.ports().modules, builder.ports().head_name,
                               settings, contents));
  LUTHIER_CHECK(builder.hang_beside());
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
    const bool by_parameter = is_target_parameter(module, by_weight);
    const auto found = tensors.modules.find(of_modules.root_of(module, settings));
    if (found == tensors.modules.end() || !can_hang(of_modules.wrapping, module, by_parameter))
      continue;
    WrappedModule wrapped{module.name, {}};
    wrapped.by_parameter = by_parameter, wrapped.stack = module.stack();
    LUTHIER_TRY(wrapped.scale, scales.of(wrapped.pattern_name(found->second.stored)));
    std::int64_t parameters = found->second.elements();
    for (const TensorSize& size : of_modules.sizes(module, wrapped.scale, settings)) {
      const auto view = found->second.views.find(size.suffix);
      if (!size.trains && view != found->second.views.end())
        parameters -= view->second.info.elements();
    }
    wrapped.share = of_modules.share(parameters, module, wrapped.scale, settings);
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
    if (is_shared(whole.key) || is_of_score_head(whole.name)) continue;
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
