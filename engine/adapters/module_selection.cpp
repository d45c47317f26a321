// SPDX-License-Identifier: GPL-3.0-or-later
// Matching as PEFT 0.21 does it (tuners_utils.check_target_module_exists, get_pattern_key): full-match regular expressions, suffixes after a dot.
#include "engine/adapters/module_selection.h"

#include <cmath>

#include "engine/text/regex.h"

namespace luthier {

namespace {

/// Whether `pattern` matches all of `name` (Python's re.fullmatch).
Result<bool> full_match(const std::string& pattern, const std::string& name, const std::string& where) {
  LUTHIER_TRY(const Regex regex, Regex::compile("\\A(?:" + pattern + ")\\z", where));
  LUTHIER_TRY(const auto matches, regex.find_all(name));
  return !matches.empty();
}

bool ends_after_dot(const std::string& name, const std::string& suffix) {
  if (name == suffix) return true;
  return name.size() > suffix.size() && name.ends_with(suffix) && name[name.size() - suffix.size() - 1] == '.';
}

bool named(const std::string& name, const std::vector<std::string>& suffixes) {
  for (const std::string& suffix : suffixes) {
    if (ends_after_dot(name, suffix)) return true;
  }
  return false;
}

/// PEFT's get_pattern_key: the first key with re.match(rf"(.*\.)?({key})$", name).
template <class T>
T by_pattern(const std::string& name, const std::vector<std::pair<std::string, T>>& patterns, T fallback) {
  for (const auto& [key, value] : patterns) {
    const auto matched = full_match("(.*\\.)?(" + key + ")", name, "adapter.rank_pattern");
    if (matched && *matched) return value;
  }
  return fallback;
}

Result<bool> selected(const std::string& name, const ModuleSelector& selector, const char* field) {
  switch (selector.kind) {
    case ModuleSelector::Kind::None: return false;
    case ModuleSelector::Kind::Names: return named(name, selector.names);
    case ModuleSelector::Kind::AllLinear: return true;
    case ModuleSelector::Kind::Regex: {
      return full_match(selector.regex, name, std::string("adapter.") + field);
    }
  }
  return false;
}

}  // namespace

Result<bool> is_target(const std::string& name, const AdapterSettings& settings) {
  LUTHIER_TRY(const bool excluded, selected(name, settings.exclude_modules, "exclude_modules"));
  if (excluded || is_saved_module(name, settings.modules_to_save)) return false;
  return selected(name, settings.target_modules, "target_modules");
}

Result<std::vector<std::string>> select_modules(const std::vector<std::string>& linear_names, const std::string& head_name, const AdapterSettings& settings) {
  std::vector<std::string> chosen;
  for (const std::string& name : linear_names) {
    if (settings.target_modules.kind == ModuleSelector::Kind::AllLinear && name == head_name) continue;
    LUTHIER_TRY(const bool wanted, is_target(name, settings));
    if (wanted) chosen.push_back(name);
  }
  if (chosen.empty()) {
    return input_error("No Linear of the model matches.", "adapter.target_modules",
                       "Names match the end of a module's name, such as q_proj; `luthier-cli info MODEL` lists them.");
  }
  return chosen;
}

bool is_token_embedding(const std::string& name) { return ends_after_dot(name, "embed_tokens"); }

bool is_saved_module(const std::string& name, const std::vector<std::string>& modules_to_save) {
  for (const std::string& saved : modules_to_save) {
    if (("." + name + ".").find("." + saved + ".") != std::string::npos) return true;
  }
  return false;
}

std::int64_t rank_of(const std::string& name, const AdapterSettings& settings) { return by_pattern(name, settings.rank_pattern, settings.r); }

double alpha_of(const std::string& name, const AdapterSettings& settings) { return by_pattern(name, settings.alpha_pattern, settings.lora_alpha); }

double scale_of(const std::string& name, const AdapterSettings& settings) {
  const auto rank = static_cast<double>(rank_of(name, settings));
  return alpha_of(name, settings) / (settings.use_rslora ? std::sqrt(rank) : rank);
}

}  // namespace luthier
