// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/folder_check.h"

#include "engine/methods/build_adapter.h"
#include "engine/methods/layer_choice.h"

namespace luthier {

namespace {

constexpr const char* kIncomplete =
    "The file is incomplete, or the adapter was made for another base.";

Error not_chosen(const std::string& name, const FolderContents& found) {
  return input_error("The tensor file has " + name + ", which is not chosen here.",
                     found.config + ": target_modules", "The two files do not belong together.");
}

/// Where the settings cannot be taken as a recipe's (a list of PEFT's may name what this model does
/// not have), each module is still to be one that they point at.
Status check_matches(const AdapterSettings& settings, const FolderContents& found) {
  using Kind = ModuleSelector::Kind;
  const Kind kind = settings.target_modules.kind;
  LUTHIER_TRY(const auto targets,
              compile_selector(settings.target_modules, found.config + ": target_modules"));
  if (kind != Kind::Names && kind != Kind::Regex) return {};
  for (const std::string& name : found.hung) {
    LUTHIER_TRY(const bool matched, any_matches(targets, name));
    if (!matched && !found.by_weight.contains(name)) return not_chosen(name, found);
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

Status check_contents(const ModuleMethod& method, const std::vector<ModelModule>& modules,
                      const std::string& head, const AdapterSettings& settings,
                      const FolderContents& found) {
  if (found.older) return {};
  AdapterSettings chooses = settings;
  chooses.rank_pattern.clear();  // their keys are for the ranks alone
  chooses.alpha_pattern.clear();
  const auto chosen = method.select(modules, head, chooses);
  if (!chosen) {
    // A list of layers that is not there chooses nothing, in PEFT too; a layer that is not, is
    // lost.
    const bool of_layers = chosen.error().where == kLayers;
    return of_layers ? Status(chosen.error()) : check_matches(settings, found);
  }
  std::set<std::string> names;
  for (const WrappedModule& wrapped : chosen->wrapped) {
    names.insert(wrapped.name);
    if (found.hung.contains(wrapped.name)) continue;
    return input_error(
        "adapter_config.json chooses " + wrapped.name + ", and the file has no tensor of it.",
        found.tensors, kIncomplete);
  }
  if (method.copies) names.insert(chosen->saved.begin(), chosen->saved.end());  // a copy is a part
  for (const std::string& name : found.hung) {
    if (!names.contains(name)) return not_chosen(name, found);
  }
  const std::set<std::string> biases(chosen->biases.begin(), chosen->biases.end());
  for (const ModelModule& module : modules) {
    if (module.bias == 0 || !biases.contains(module.name) || found.biases.contains(module.name))
      continue;
    return input_error(
        "adapter_config.json chooses " + module.name + ".bias, and the file has no tensor of it.",
        found.tensors, kIncomplete);
  }
  for (const std::string& name : chosen->saved) {
    if (found.saved.contains(name)) continue;
    return input_error("modules_to_save names " + name + ", and the file has no tensor of it.",
                       found.tensors, kIncomplete);
  }
  return {};
}

}  // namespace luthier
