// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter_config.json that says what its tensors are. PEFT looks for target_modules among all
// modules of transformers' class, so a name that is good enough among the Linears ("proj", "0") may
// hit a convolution or a whole layer there; and what was chosen by other means (all-linear, layer
// numbers, an older release's names) has to be named.
#include <algorithm>
#include <map>
#include <set>

#include "engine/methods/layer_choice.h"
#include "engine/methods/module_selection.h"

namespace luthier {

namespace {

constexpr std::size_t kManyNames = 19;  // endings that are still read at a glance

/// What stands after each dot of a name, shortest first, and the name. A number alone names
/// nothing: in a deeper model it is a layer's.
std::vector<std::string> endings_of(const std::string& name) {
  std::vector<std::string> endings;
  for (std::size_t dot = name.rfind('.'); dot != std::string::npos;
       dot = dot == 0 ? std::string::npos : name.rfind('.', dot - 1)) {
    std::string ending = name.substr(dot + 1);
    if (ending.find_first_not_of("0123456789") == std::string::npos) continue;
    endings.push_back(std::move(ending));
  }
  endings.push_back(name);
  return endings;
}

std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == '.' ? std::string("\\.") : std::string(1, c);
  return text;
}

/// Whether the patterns match every name of `wanted` and none of `others`. A pattern that Python
/// reads and we do not is no reason to fail: it is written anew.
bool means(const Result<std::vector<NamePattern>>& patterns, const std::vector<std::string>& wanted,
           const std::vector<std::string>& others) {
  if (!patterns) return false;
  const auto matches = [&](const std::string& name) {
    const auto matched = any_matches(*patterns, name);
    return matched && *matched;
  };
  return std::all_of(wanted.begin(), wanted.end(), matches) &&
         std::none_of(others.begin(), others.end(), matches);
}

/// The same of target_modules together with the layers that are chosen.
bool targets_mean(const AdapterSettings& settings, const std::vector<std::string>& wanted,
                  const std::vector<std::string>& others) {
  const auto patterns = compile_selector(settings.target_modules, "");
  const auto layers = LayerChoice::compile(settings);
  if (!patterns || !layers) return false;
  if (!layers->chooses()) return means(patterns, wanted, others);
  const auto matches = [&](const std::string& name) {
    const auto matched = any_matches(*patterns, name);
    const auto kept = layers->keeps(name, *patterns);
    return matched && *matched && kept && *kept;
  };
  return std::all_of(wanted.begin(), wanted.end(), matches) &&
         std::none_of(others.begin(), others.end(), matches);
}

/// The name as a pattern that leaves open which layers: a number between dots is any number.
std::string of_any_layer(const std::string& name) {
  std::string pattern;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (begin > 0) pattern += "\\.";
    const bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    pattern += number ? "\\d+" : part;
    begin = end + 1;
  }
  return pattern;
}

ModuleSelector exact_selector(const std::vector<std::string>& wanted,
                              const std::vector<std::string>& others) {
  ModuleSelector selector{ModuleSelector::Kind::Names, shortest_endings(wanted, others), {}};
  const bool named = means(compile_selector(selector, ""), wanted, others);
  if (named && selector.names.size() <= kManyNames) return selector;
  // Where a tower's modules end as the decoder's do, each layer would be named.
  ModuleSelector open{ModuleSelector::Kind::Regex, {}, {}};
  std::set<std::string> forms;
  for (const std::string& name : wanted) forms.insert(of_any_layer(name));
  for (const std::string& form : forms) open.regex += (open.regex.empty() ? "" : "|") + form;
  if (means(compile_selector(open, ""), wanted, others)) return open;
  if (named) return selector;
  selector = {ModuleSelector::Kind::Regex, {}, {}};  // a name that other names end in
  for (const std::string& name : wanted) {
    if (!selector.regex.empty()) selector.regex.push_back('|');
    selector.regex.append(escaped(name));
  }
  return selector;
}

/// Keys for the modules whose value is not the one for all.
template <class T>
std::vector<std::pair<std::string, T>> exact_keys(const std::map<std::string, T>& values, T rest) {
  std::map<T, std::vector<std::string>> groups;
  for (const auto& [name, value] : values) groups[value].push_back(name);
  std::vector<std::pair<std::string, T>> keys;
  for (const auto& [value, names] : groups) {
    if (value == rest) continue;
    std::vector<std::string> others;
    for (const auto& [name, other] : values) {
      if (other != value) others.push_back(name);
    }
    for (const std::string& ending : shortest_endings(names, others))
      keys.emplace_back(escaped(ending), value);
  }
  return keys;
}

}  // namespace

std::vector<std::string> shortest_endings(const std::vector<std::string>& wanted,
                                          const std::vector<std::string>& others) {
  std::set<std::string> taken, found;
  for (const std::string& name : others) {
    for (std::string& ending : endings_of(name)) taken.insert(std::move(ending));
  }
  for (const std::string& name : wanted) {
    const std::vector<std::string> endings = endings_of(name);
    const auto free = std::find_if(endings.begin(), endings.end(), [&](const std::string& ending) {
      return !taken.contains(ending);
    });
    found.insert(free == endings.end() ? name : *free);
  }
  return {found.begin(), found.end()};
}

AdapterSettings settings_to_write(AdapterSettings settings, const std::vector<ModelModule>& modules,
                                  const ModuleSelection& selection, const RankKeys& rank_keys) {
  std::map<std::string, std::int64_t> ranks;
  std::map<std::string, double> alphas;
  std::vector<std::string> wanted, others;
  for (const WrappedModule& module : selection.wrapped) {
    if (!module.stack) (module.by_parameter ? others : wanted).push_back(module.name);
    ranks[module.pattern_name()] = module.scale.rank;
    alphas[module.pattern_name()] = module.scale.alpha;
  }
  auto excluded = compile_selector(settings.exclude_modules, "");
  if (!means(excluded, {}, wanted)) {
    settings.exclude_modules = {};
    excluded = std::vector<NamePattern>();
  }
  for (const ModelModule& module : modules) {
    if (module.stack()) continue;  // PEFT looks for targets among modules
    const bool known = std::find(wanted.begin(), wanted.end(), module.name) != wanted.end();
    if (known || is_saved_module(module.name, settings.modules_to_save)) continue;
    const auto out = any_matches(*excluded, module.name);
    if (!out || !*out) others.push_back(module.name);
  }
  if (!targets_mean(settings, wanted, others)) {
    settings.target_modules = exact_selector(wanted, others);
    // What is named now needs no layers.
    if (!settings.more.names(kLayers).empty()) settings.more.set_json(kLayers, "null");
    if (!settings.more.names(kLayersPattern).empty())
      settings.more.set_json(kLayersPattern, "null");
  }
  const auto scales = ScalePatterns::compile(settings, "", rank_keys);
  const bool kept = scales && std::all_of(selection.wrapped.begin(), selection.wrapped.end(),
                                          [&](const WrappedModule& module) {
                                            const auto scale = scales->of(module.pattern_name());
                                            return scale && scale->rank == module.scale.rank &&
                                                   scale->alpha == module.scale.alpha;
                                          });
  if (!kept) {
    settings.rank_pattern = exact_keys(ranks, settings.r);
    settings.alpha_pattern = exact_keys(alphas, settings.lora_alpha);
  }
  return settings;
}

}  // namespace luthier
