// SPDX-License-Identifier: GPL-3.0-or-later
// Matching as PEFT 0.21 does it (tuners_utils.check_target_module_exists, get_pattern_key). PEFT
// trains on where an entry means nothing; here each one has to mean something.
#include "engine/methods/module_selection.h"

#include <algorithm>

#include "engine/methods/layer_choice.h"

namespace luthier {

namespace {

constexpr const char* kListed = "`luthier-cli info MODEL` lists the names.";

using Wanted = bool (*)(const ModelModule&);

std::vector<std::string> names_of(const std::vector<ModelModule>& modules, Wanted wanted) {
  std::vector<std::string> names;
  for (const ModelModule& module : modules) {
    if (wanted(module)) names.push_back(module.name);
  }
  return names;
}

bool holds_tensors(const ModelModule& module) { return !module.type.empty() && !module.stack(); }

std::string hint_for(const NamePattern& pattern, const std::vector<ModelModule>& modules,
                     Wanted wanted) {
  const std::vector<std::string> names = names_of(modules, wanted);
  if (pattern.is_regex()) {
    // What a list would match, written as one string.
    const bool ending = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return ends_after_dot(name, pattern.text());
    });
    if (ending) {
      return "A string must match a module's whole name; as a list, [" + pattern.text() +
             "], it matches the ends of names.";
    }
  }
  return nearest_names(pattern.text(), names) + " " + kListed;
}

std::string said(const NamePattern& pattern) {
  return pattern.is_regex() ? "matches the pattern " + pattern.text()
                            : "is named " + pattern.text();
}

/// Each entry of target_modules and exclude_modules is for something.
Status check_entries(const std::vector<NamePattern>& patterns,
                     const std::vector<ModelModule>& modules, const Wrapping& wrapping,
                     bool excluding) {
  const std::string where = excluding ? "adapter.exclude_modules" : "adapter.target_modules";
  for (const NamePattern& pattern : patterns) {
    const ModelModule* empty = nullptr;
    bool found = false;
    for (const ModelModule& module : modules) {
      if (module.stack()) continue;
      LUTHIER_TRY(const bool matched, pattern.matches(module.name));
      if (!matched) continue;
      const bool something = holds_tensors(module) || wrapping.can(module);
      found = found || something || !excluding;
      if (!something) empty = &module;
    }
    if (found) continue;
    if (!empty) {
      return input_error("No module of the model " + said(pattern) + ".", where,
                         hint_for(pattern, modules, wrapping.can));
    }
    const std::string last = empty->name.substr(empty->name.rfind('.') + 1);
    return input_error(
        pattern.text() + " means " + empty->name +
            " alone, which holds no weight, and nothing in it: "
            "no module would be left out.",
        where,
        "Write one pattern, '(.*\\.)?" + last + "\\..*', to leave out all that stands in it.");
  }
  return {};
}

/// Each key of rank_pattern and alpha_pattern decides for some wrapped module.
Status check_keys(const ScalePatterns::Keys& keys, const std::vector<ModelModule>& modules,
                  const std::vector<WrappedModule>& wrapped) {
  std::set<std::size_t> deciding;
  for (const WrappedModule& module : wrapped) {
    LUTHIER_TRY(const auto key, keys.deciding(module.pattern_name()));
    if (key) deciding.insert(*key);
  }
  for (std::size_t i = 0; i < keys.patterns.size(); ++i) {
    const NamePattern& pattern = keys.patterns[i];
    if (deciding.contains(i)) continue;
    for (const WrappedModule& module : wrapped) {
      LUTHIER_TRY(const bool matched, keys.matches(i, module.pattern_name()));
      if (!matched) continue;
      LUTHIER_TRY(const auto first, keys.deciding(module.pattern_name()));
      return input_error(
          "The key " + pattern.text() + " decides nothing: " + keys.patterns[*first].text() +
              ", which stands before it, takes all that it matches.",
          keys.field, "The first key that matches counts: put the narrower one first.");
    }
    for (const ModelModule& module : modules) {
      LUTHIER_TRY(const bool matched, keys.matches(i, module.name));
      if (!matched) continue;
      return input_error("The key " + pattern.text() + " matches " + module.name +
                             ", which gets no adapter here, and nothing that does.",
                         keys.field, "Name what target_modules selects, or take the key out.");
    }
    std::vector<std::string> names;
    for (const WrappedModule& module : wrapped) names.push_back(module.name);
    return input_error(
        "The key " + pattern.text() + " matches no module.", keys.field,
        nearest_names(pattern.text(), names) + " A key matches the end of a name, as a pattern.");
  }
  return {};
}

/// Each chosen layer has a target module, and each pattern of a list of layers is before some.
/// `matched`: the modules that target_modules names, whatever their layers.
Status check_layers(const LayerChoice& choice, const std::vector<std::string>& matched) {
  std::set<std::int64_t> there;
  for (const std::string& name : matched) {
    LUTHIER_TRY(const auto layer, choice.layer_of(name));
    if (layer) there.insert(*layer);
  }
  for (std::size_t i = 0; i < choice.patterns().size(); ++i) {
    bool found = false;
    for (const std::string& name : matched) {
      LUTHIER_TRY(const auto layer, choice.layer_behind(i, name));
      found = found || layer.has_value();
    }
    if (!found) {
      return input_error(
          "No target module has a layer's number behind " + choice.patterns()[i] + " in its name.",
          kLayersPattern, kListed);
    }
  }
  for (const std::int64_t layer : choice.layers()) {
    if (there.contains(layer)) continue;
    if (there.empty())
      return input_error("No target module stands in a numbered layer.", kLayers, kListed);
    return input_error("No target module stands in a layer " + std::to_string(layer) + ".", kLayers,
                       "Their layers are " + std::to_string(*there.begin()) + " to " +
                           std::to_string(*there.rbegin()) + ".");
  }
  return {};
}

Error not_wrappable(const ModelModule& module, const Wrapping& wrapping,
                    const std::vector<ModelModule>& modules) {
  const std::string linear = module.name + ".linear";  // as Gemma 4's tower has them
  for (const ModelModule& inner : modules) {
    if (inner.name != linear || !wrapping.can(inner)) continue;
    return input_error(module.name + " wraps a Linear, and is none. " + wrapping.sentence,
                       "adapter.target_modules",
                       "Name " + linear + ", or write more of the names that are meant.");
  }
  if (holds_tensors(module)) {
    return input_error(
        "The module " + module.name + " is a " + module.type + ". " + wrapping.sentence,
        "adapter.target_modules", "Leave it out, or name it in modules_to_save to train it whole.");
  }
  return input_error(
      "The module " + module.name + " has no weight of its own. " + wrapping.sentence,
      "adapter.target_modules", "Name what stands in it, or make the pattern narrower.");
}

/// Each entry of target_parameters is a weight that can be one.
Status check_parameters(const std::vector<std::string>& parameters,
                        const std::vector<ModelModule>& modules) {
  for (const std::string& entry : parameters) {
    const bool found = std::any_of(modules.begin(), modules.end(), [&](const ModelModule& module) {
      return is_target_parameter(module, {entry});
    });
    if (found) continue;
    std::vector<std::string> names;
    for (const ModelModule& module : modules) {
      if (module.linear() || module.by_weight_alone()) names.push_back(module.weight_name());
    }
    return input_error("No weight of a Linear, a router or experts is named " + entry + ".",
                       "adapter.target_parameters", nearest_names(entry, names) + " " + kListed);
  }
  return {};
}

/// "proj" in modules_to_save is q_proj too, which PEFT cannot save whole with an adapter in it.
/// Whole words of a name are left out of the targets.
Status check_not_both(const ModelModule& module, const AdapterSettings& settings) {
  for (const std::string& saved : settings.modules_to_save)
    if (("." + module.name + ".").find("." + saved + ".") != std::string::npos) return {};
  return input_error("The name of " + module.name +
                         " ends in one of adapter.modules_to_save, and target_modules chooses it.",
                     "adapter.modules_to_save",
                     "PEFT finds whole modules by the bare ends of names: write more of the name.");
}

/// `bare`: but for a head of classes the model has nothing that all-linear means.
Error nothing_left(const AdapterSettings& settings, const Wrapping& wrapping, bool bare) {
  const ModuleSelector& targets = settings.target_modules;
  if (targets.kind == ModuleSelector::Kind::None ||
      (targets.kind == ModuleSelector::Kind::Names && targets.names.empty())) {
    return input_error(
        "No module is named, and an adapter that hangs on none is none that PEFT reads.",
        "adapter.target_modules", "Write all-linear, a list of names or a regular expression.");
  }
  if (targets.kind == ModuleSelector::Kind::AllLinear &&
      settings.exclude_modules.kind == ModuleSelector::Kind::None &&
      (bare || settings.modules_to_save.empty())) {
    return input_error(
        std::string("The model has nothing that the method could hang on. ") + wrapping.sentence,
        "strategy", "Choose another method.");
  }
  return input_error("exclude_modules and modules_to_save leave none of the target modules.",
                     "adapter.exclude_modules",
                     "Leave out less, or name more in adapter.target_modules.");
}

}  // namespace

Result<ModuleSelection> select_modules(const std::vector<ModelModule>& modules,
                                       const std::string& head_name,
                                       const AdapterSettings& settings, const Wrapping& wrapping,
                                       const std::vector<std::string>& parameters,
                                       const RankKeys& rank_keys) {
  const bool all = settings.target_modules.kind == ModuleSelector::Kind::AllLinear;
  LUTHIER_TRY(const auto targets,
              compile_selector(settings.target_modules, "adapter.target_modules"));
  LUTHIER_TRY(const auto excluded,
              compile_selector(settings.exclude_modules, "adapter.exclude_modules"));
  LUTHIER_TRY(const ScalePatterns scales, ScalePatterns::compile(settings, "adapter.", rank_keys));
  LUTHIER_CHECK(check_entries(targets, modules, wrapping, false));
  LUTHIER_CHECK(check_entries(excluded, modules, wrapping, true));
  LUTHIER_CHECK(check_parameters(parameters, modules));
  LUTHIER_TRY(const LayerChoice layers, LayerChoice::compile(settings));
  std::vector<std::string> of_all_layers;
  for (const std::string& wanted : settings.modules_to_save) {
    const bool found = std::any_of(modules.begin(), modules.end(), [&](const ModelModule& module) {
      return holds_tensors(module) && is_saved_module(module.name, {wanted});
    });
    if (found || wanted == kClassHead) continue;
    std::vector<std::string> names;
    for (const ModelModule& module : modules) names.push_back(module.name);
    return input_error("The model has no module " + wanted + " that holds weights.",
                       "adapter.modules_to_save", nearest_names(wanted, names) + " " + kListed);
  }
  ModuleSelection selection;
  for (const ModelModule& module : modules) {
    const bool by_parameter = is_target_parameter(module, parameters);
    if (module.stack() && !by_parameter) continue;
    LUTHIER_TRY(const bool named, any_matches(targets, module.name));
    const bool matched = named && !module.stack();
    if (matched && layers.chooses()) of_all_layers.push_back(module.name);
    LUTHIER_TRY(const bool out, any_matches(excluded, module.name));
    if (is_saved_module(module.name, settings.modules_to_save)) {
      if (holds_tensors(module)) selection.saved.push_back(module.name);
      if (matched && !out) LUTHIER_CHECK(check_not_both(module, settings));
      continue;
    }
    if (out && !by_parameter) continue;
    const bool chosen = matched || (all && wrapping.by_default(module, head_name, settings));
    if (chosen && !out && by_parameter) {
      return input_error("target_modules chooses " + module.name + " and this its weight.",
                         "adapter.target_parameters",
                         "Name it in one of the two (target_modules: [] chooses none).");
    }
    if (!chosen && !by_parameter) continue;
    LUTHIER_TRY(const bool kept, layers.keeps(module.name, targets));
    if (!kept && !by_parameter) continue;
    if (!can_hang(wrapping, module, by_parameter)) return not_wrappable(module, wrapping, modules);
    WrappedModule wrapped{module.name, {}};
    wrapped.by_parameter = by_parameter, wrapped.stack = module.stack();
    LUTHIER_TRY(wrapped.scale, scales.of(wrapped.pattern_name()));
    selection.wrapped.push_back(std::move(wrapped));
  }
  LUTHIER_CHECK(check_layers(layers, of_all_layers));
  if (selection.wrapped.empty()) {
    const bool bare = std::none_of(modules.begin(), modules.end(), [&](const ModelModule& module) {
      return wrapping.by_default(module, head_name, settings) &&
             !is_saved_module(module.name, {kClassHead});
    });
    return nothing_left(settings, wrapping, bare);
  }
  if (settings.bias == "all") {
    for (const ModelModule& module : modules) {
      if (holds_tensors(module) && !is_saved_module(module.name, settings.modules_to_save))
        selection.biases.push_back(module.name);
    }
  } else if (settings.bias != "none") {
    for (const WrappedModule& module : selection.wrapped) selection.biases.push_back(module.name);
  }
  LUTHIER_CHECK(check_keys(scales.ranks(), modules, selection.wrapped));
  LUTHIER_CHECK(check_keys(scales.alphas(), modules, selection.wrapped));
  return selection;
}

bool all_linear(const ModelModule& module, const std::string& head, const AdapterSettings&) {
  return module.linear() && module.name != head;
}

bool is_target_parameter(const ModelModule& module, const std::vector<std::string>& parameters) {
  if (!module.linear() && !module.by_weight_alone()) return false;
  const std::string weight = module.weight_name();
  return std::any_of(parameters.begin(), parameters.end(),
                     [&](const std::string& entry) { return ends_after_dot(weight, entry); });
}

bool can_hang(const Wrapping& wrapping, const ModelModule& module, bool by_parameter) {
  return wrapping.can(module) || (by_parameter && module.by_weight_alone());
}

bool is_saved_module(const std::string& name, const std::vector<std::string>& modules_to_save) {
  for (const std::string& saved : modules_to_save) {
    // PEFT's: the module, or one that it stands in, by the bare end of its name.
    for (std::size_t at = name.find(saved); at != std::string::npos && !saved.empty();
         at = name.find(saved, at + 1)) {
      const std::size_t end = at + saved.size();
      if (end == name.size() || name[end] == '.') return true;
    }
  }
  return false;
}

}  // namespace luthier
