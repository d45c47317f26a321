// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/module_patterns.h"

#include <cmath>

namespace luthier {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The end of a {m}, {m,}, {,n} or {m,n} that opens at `at`; 0: the brace is a letter.
std::size_t end_of_count(const std::string& pattern, std::size_t at) {
  std::size_t end = at + 1;
  bool digits = false;
  while (end < pattern.size() && (is_digit(pattern[end]) || pattern[end] == ','))
    digits = is_digit(pattern[end++]) || digits;
  return digits && end < pattern.size() && pattern[end] == '}' ? end : 0;
}

/// What Python refuses and Oniguruma takes: a repetition that is repeated ("**"), a letter escaped
/// for nothing ("\h").
std::string refused_by_python(const std::string& pattern) {
  static constexpr std::string_view kEscapes = "AbBdDsSwWZafnNrtuUvx";
  int repeated = 0;  // marks of repetition right before: the second may be ? or +
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      const bool letter = (escaped >= 'a' && escaped <= 'z') || (escaped >= 'A' && escaped <= 'Z');
      if (letter && kEscapes.find(escaped) == std::string_view::npos)
        return std::string("\\") + escaped + " means nothing.";
    }
    if (in_class || c == '[') {
      in_class = c != ']';
      repeated = 0;
      continue;
    }
    const std::size_t count_end = c == '{' ? end_of_count(pattern, i) : 0;
    if (c == '*' || count_end > 0) {
      if (repeated > 0) return "A repetition is repeated.";
      repeated = 1;
      if (count_end > 0) i = count_end;
    } else if ((c == '?' && (i == 0 || pattern[i - 1] != '(')) || c == '+') {
      if (++repeated > 2) return "A repetition is repeated.";
    } else {
      repeated = 0;
    }
  }
  return {};
}

}  // namespace

bool ends_after_dot(const std::string& name, const std::string& ending) {
  if (name == ending) return true;
  return name.size() > ending.size() && name.ends_with(ending) &&
         name[name.size() - ending.size() - 1] == '.';
}

NamePattern NamePattern::ending(std::string text) {
  NamePattern pattern;
  pattern.text_ = std::move(text);
  return pattern;
}

Result<NamePattern> NamePattern::compile(std::string text, const std::string& around,
                                         const std::string& where) {
  const std::string hint =
      "It is read as Python's re does: a dot that is meant as one is written \\., any text is .*";
  std::string fault = refused_by_python(text);
  // By itself first: what stands around it may close what it left open.
  if (const auto alone = Regex::compile(text, where, Regex::Syntax::Python); !alone)
    fault = alone.error().what;
  if (!fault.empty())
    return input_error("The pattern " + text + " is malformed: " + fault, where, hint);
  LUTHIER_TRY(Regex regex, Regex::compile("\\A(?:" + around + "(?:" + text + "))\\Z", where,
                                          Regex::Syntax::Python));
  NamePattern pattern;
  pattern.text_ = std::move(text);
  pattern.regex_ = std::move(regex);
  return pattern;
}

Result<NamePattern> NamePattern::whole(std::string text, const std::string& where) {
  return compile(std::move(text), "", where);
}
Result<NamePattern> NamePattern::key(std::string text, const std::string& where) {
  return compile(std::move(text), "(?:.*\\.)?", where);
}
Result<NamePattern> NamePattern::behind_a_dot(std::string text, const std::string& where) {
  return compile(std::move(text), ".*\\.", where);
}

Result<bool> NamePattern::matches(const std::string& name) const {
  if (!regex_) return ends_after_dot(name, text_);
  LUTHIER_TRY(const auto found, regex_->find_all(name));
  return !found.empty();
}

Result<std::vector<NamePattern>> compile_selector(const ModuleSelector& selector,
                                                  const std::string& where) {
  std::vector<NamePattern> patterns;
  if (selector.kind == ModuleSelector::Kind::Names) {
    for (const std::string& name : selector.names) patterns.push_back(NamePattern::ending(name));
  } else if (selector.kind == ModuleSelector::Kind::Regex) {
    LUTHIER_TRY(NamePattern pattern, NamePattern::whole(selector.regex, where));
    patterns.push_back(std::move(pattern));
  }
  return patterns;
}

Result<bool> any_matches(const std::vector<NamePattern>& patterns, const std::string& name) {
  for (const NamePattern& pattern : patterns) {
    LUTHIER_TRY(const bool matched, pattern.matches(name));
    if (matched) return true;
  }
  return false;
}

Result<ScalePatterns> ScalePatterns::compile(const AdapterSettings& settings,
                                             const std::string& where, const RankKeys& rank_keys) {
  ScalePatterns scales;
  scales.ranks_.whole_names = rank_keys.behind_dots;
  const auto add = [&](Keys& keys, const char* field, const auto& entries, auto& values) -> Status {
    keys.field = where + field;
    for (const auto& entry : entries) {
      LUTHIER_TRY(NamePattern pattern, keys.whole_names
                                           ? NamePattern::behind_a_dot(entry.first, keys.field)
                                           : NamePattern::key(entry.first, keys.field));
      keys.patterns.push_back(std::move(pattern));
      values.push_back(entry.second);
    }
    return {};
  };
  LUTHIER_CHECK(add(scales.ranks_, rank_keys.field, settings.rank_pattern, scales.rank_values_));
  LUTHIER_CHECK(add(scales.alphas_, "alpha_pattern", settings.alpha_pattern, scales.alpha_values_));
  scales.r_ = settings.r;
  scales.lora_alpha_ = settings.lora_alpha;
  scales.use_rslora_ = settings.use_rslora;
  return scales;
}

Result<std::optional<std::size_t>> ScalePatterns::Keys::deciding(const std::string& name) const {
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    LUTHIER_TRY(const bool matched, patterns[i].matches(name));
    if (matched) return std::optional<std::size_t>(i);
  }
  for (std::size_t i = 0; whole_names && i < patterns.size(); ++i)
    if (patterns[i].text() == name) return std::optional<std::size_t>(i);
  return std::optional<std::size_t>();
}

Result<bool> ScalePatterns::Keys::matches(std::size_t key, const std::string& name) const {
  if (whole_names && patterns[key].text() == name) return true;
  return patterns[key].matches(name);
}

Result<ModuleScale> ScalePatterns::of(const std::string& name) const {
  LUTHIER_TRY(const auto rank, ranks_.deciding(name));
  LUTHIER_TRY(const auto alpha, alphas_.deciding(name));
  ModuleScale scale{rank ? rank_values_[*rank] : r_, alpha ? alpha_values_[*alpha] : lora_alpha_,
                    0};
  if (scale.rank < 0)
    return input_error("The rank of " + name + " is " + std::to_string(scale.rank) + ".",
                       ranks_.field, "A rank is at least 1.");
  if (scale.rank == 0) return scale;  // of a method that has none, or has pruned it away
  const auto divisor = static_cast<double>(scale.rank);
  scale.scale = scale.alpha / (use_rslora_ ? std::sqrt(divisor) : divisor);
  return scale;
}

}  // namespace luthier
