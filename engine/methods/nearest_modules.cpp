// SPDX-License-Identifier: GPL-3.0-or-later
// What a name or pattern that means nothing may have been meant for.
#include <algorithm>

#include "engine/config/nearest_name.h"
#include "engine/methods/module_selection.h"

namespace luthier {

namespace {

constexpr std::size_t kShown = 3;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool is_plain(const std::string& key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return is_word(c) || c == '.'; });
}

/// The words of a pattern; what stands in brackets or braces and after a backslash is none.
std::vector<std::string> words_of(const std::string& pattern) {
  std::vector<std::string> words(1);
  char closing = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (closing) {
      if (c == closing) closing = 0;
    } else if (is_word(c)) {
      words.back() += c;
      continue;
    } else if (c == '\\') {
      ++i;
    } else if (c == '[') {
      closing = ']';
    } else if (c == '{') {
      closing = '}';
    }
    if (!words.back().empty()) words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

/// The last `count` parts of each name, each once.
std::vector<std::string> endings(const std::vector<std::string>& names, std::size_t count) {
  std::set<std::string> found;
  for (const std::string& name : names) {
    std::size_t at = name.size();
    for (std::size_t i = 0; i < count && at != std::string::npos && at > 0; ++i)
      at = name.rfind('.', at - 1);
    found.insert(at == std::string::npos ? name : name.substr(at + 1));
  }
  return {found.begin(), found.end()};
}

std::string listed(const std::string& key, std::vector<std::string> candidates) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const std::string& a, const std::string& b) {
                     return edit_distance(key, a) < edit_distance(key, b);
                   });
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, candidates.size()); ++i)
    text += (i ? ", " : "") + candidates[i];
  return text.empty() ? text : "The nearest: " + text + ".";
}

}  // namespace

std::string nearest_names(const std::string& key, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  if (is_plain(key)) {
    const auto parts = 1 + static_cast<std::size_t>(std::count(key.begin(), key.end(), '.'));
    return listed(key, endings(names, parts));
  }
  std::set<std::string> parts;
  for (const std::string& name : names) {
    for (const std::string& word : words_of(name)) parts.insert(word);
  }
  for (const std::string& word : words_of(key)) {
    const bool known =
        word.size() < 3 || std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
          return part.find(word) != std::string::npos;
        });
    if (!known) return "No name holds " + word + ". " + listed(word, {parts.begin(), parts.end()});
  }
  std::string words;
  for (const std::string& word : words_of(key)) words += (words.empty() ? "" : ".") + word;
  return "The nearest whole name: " + nearest_name(words, names) + ".";
}

}  // namespace luthier
