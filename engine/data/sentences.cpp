// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/sentences.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace luthier {

namespace {

constexpr std::array<std::string_view, 7> kSentenceEnds{".", "!", "?", "…", "。", "！", "？"};
constexpr std::array<std::string_view, 8> kClosing{"\"", "'", ")", "]", "”", "’", "」", "』"};
/// Of writing that puts no space behind a sentence.
constexpr std::array<std::string_view, 3> kWideEnds{"。", "！", "？"};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

/// How many bytes of `text` from `at` on are one of these; 0: none is.
template <std::size_t N>
std::size_t bytes_of_any(const std::array<std::string_view, N>& marks, std::string_view text,
                         std::size_t at) {
  for (const std::string_view mark : marks)
    if (text.substr(at, mark.size()) == mark) return mark.size();
  return 0;
}

void add_trimmed(std::string_view sentence, std::vector<std::string>& sentences) {
  while (!sentence.empty() && is_blank(sentence.front())) sentence.remove_prefix(1);
  while (!sentence.empty() && is_blank(sentence.back())) sentence.remove_suffix(1);
  if (!sentence.empty()) sentences.emplace_back(sentence);
}

}  // namespace

std::vector<std::string> sentences_of(const std::string& text) {
  const std::string_view all = text;
  std::vector<std::string> sentences;
  std::size_t begin = 0;
  const auto end_at = [&](std::size_t end) {
    add_trimmed(all.substr(begin, end - begin), sentences);
    begin = end;
  };
  for (std::size_t at = 0; at < all.size();) {
    if (all[at] == '\n') {
      end_at(at++);
      begin = at;
      continue;
    }
    const std::size_t mark = bytes_of_any(kSentenceEnds, all, at);
    if (mark == 0) {
      ++at;
      continue;
    }
    const bool wide = bytes_of_any(kWideEnds, all, at) > 0;
    at += mark;
    for (std::size_t more = 1; more > 0; at += more) {
      more = bytes_of_any(kSentenceEnds, all, at);
      if (more == 0) more = bytes_of_any(kClosing, all, at);
    }
    if (at < all.size() && (wide || is_blank(all[at]))) end_at(at);
  }
  end_at(all.size());
  return sentences;
}

}  // namespace luthier
