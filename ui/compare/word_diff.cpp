// SPDX-License-Identifier: GPL-3.0-or-later
// The textbook dynamic programme over words; answers are short.
#include "ui/compare/word_diff.h"

#include <algorithm>

namespace luthier {

namespace {

constexpr std::size_t kMostWords = 400;

std::vector<TextRange> words_of(const QString& text) {
  std::vector<TextRange> words;
  int begin = -1;
  for (int i = 0; i <= text.size(); ++i) {
    const bool space = i == text.size() || text[i].isSpace();
    if (!space && begin < 0) begin = i;
    if (space && begin >= 0) {
      words.push_back({begin, i});
      begin = -1;
    }
  }
  return words;
}

}  // namespace

std::vector<TextRange> changed_words(const QString& reference, const QString& text) {
  if (reference == text) return {};
  const std::vector<TextRange> left = words_of(reference), right = words_of(text);
  if (left.size() > kMostWords || right.size() > kMostWords) return {{0, static_cast<int>(text.size())}};
  const auto word = [](const QString& from, const TextRange& range) { return QStringView(from).mid(range.begin, range.end - range.begin); };
  const std::size_t width = right.size() + 1;
  std::vector<int> longest((left.size() + 1) * width, 0);
  for (std::size_t i = left.size(); i-- > 0;)
    for (std::size_t j = right.size(); j-- > 0;)
      longest[i * width + j] = word(reference, left[i]) == word(text, right[j]) ? longest[(i + 1) * width + j + 1] + 1
                                                                              : std::max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  std::vector<TextRange> changed;
  std::size_t i = 0, j = 0;
  while (j < right.size()) {
    if (i < left.size() && word(reference, left[i]) == word(text, right[j])) {
      ++i;
      ++j;
    } else if (i < left.size() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
      ++i;
    } else {
      changed.push_back(right[j++]);
    }
  }
  return changed;
}

}  // namespace luthier
