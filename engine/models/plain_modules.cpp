// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/plain_modules.h"

namespace luthier {

Result<PlainModules> PlainModules::read(const Json& settings, std::string head,
                                        const std::string& where) {
  PlainModules modules;
  modules.head_ = std::move(head);
  const auto list = settings.find("llm_int8_skip_modules");
  modules.head_alone_ = list == settings.end() || list->is_null();
  if (modules.head_alone_) return modules;
  const std::string place = where + ": llm_int8_skip_modules";
  if (!list->is_array()) return input_error("A list of names is expected.", place);
  for (const Json& entry : *list) {
    if (!entry.is_string()) return input_error("A list of names is expected.", place);
    std::string text = entry.get<std::string>();
    // By itself first: what stands around it may close what it left open.
    const bool whole = Regex::compile(text, place, Regex::Syntax::Python).ok();
    auto beginning = Regex::compile("\\A(?:" + text + ")", place, Regex::Syntax::Python);
    if (!whole || !beginning)
      return input_error("\"" + text + "\" is no name and no regular expression.", place);
    modules.entries_.push_back({std::move(text), beginning.take()});
  }
  return modules;
}

Result<bool> PlainModules::contains(const std::string& module) const {
  if (head_alone_) return module == head_;
  for (const Entry& entry : entries_) {
    if (module.ends_with(entry.ending)) return true;
    LUTHIER_TRY(const auto found, entry.beginning.find_all(module));
    if (!found.empty()) return true;
  }
  return false;
}

}  // namespace luthier
