// SPDX-License-Identifier: GPL-3.0-or-later
// The textbook dynamic programme over words, and one sweep over the places of words and tokens.
#include "engine/compare/answer_pieces.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

namespace luthier {

namespace {

/// Beyond it the table would be too large for what it tells.
constexpr std::size_t kMostWords = 2000;

/// Bytes of the white space at `at`; 0: none. No-break and ideographic spaces part words too.
std::size_t space_length(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == ' ' || c == '\n' || c == '\t' || c == '\r') return 1;
  if (text.substr(at).starts_with("\xC2\xA0")) return 2;
  return text.substr(at).starts_with("\xE3\x80\x80") ? 3 : 0;
}

std::vector<TextRange> words_of(std::string_view text) {
  std::vector<TextRange> words;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = space_length(text, at);
    if (space == 0 && !inside) words.push_back({at, at});
    inside = space == 0;
    at += std::max<std::size_t>(space, 1);
    if (inside) words.back().end = at;
  }
  return words;
}

}  // namespace

std::vector<TextRange> changed_words(const std::string& reference, const std::string& text) {
  if (reference == text) return {};
  const std::vector<TextRange> left = words_of(reference), right = words_of(text);
  if (left.size() > kMostWords || right.size() > kMostWords) return {{0, text.size()}};
  std::map<std::string_view, int> numbers;
  const auto numbered = [&](const std::string& from, const std::vector<TextRange>& words) {
    std::vector<int> result;
    for (const TextRange& word : words) {
      const auto shown = std::string_view(from).substr(word.begin, word.end - word.begin);
      result.push_back(numbers.try_emplace(shown, static_cast<int>(numbers.size())).first->second);
    }
    return result;
  };
  const std::vector<int> a = numbered(reference, left), b = numbered(text, right);
  const std::size_t width = b.size() + 1;
  std::vector<std::uint16_t> longest((a.size() + 1) * width, 0);
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      const std::uint16_t both = longest[(i + 1) * width + j + 1];
      longest[i * width + j] =
          a[i] == b[j] ? static_cast<std::uint16_t>(both + 1)
                       : std::max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  std::vector<TextRange> changed;
  for (std::size_t i = 0, j = 0; j < b.size();) {
    if (i < a.size() && a[i] == b[j]) {
      ++i;
      ++j;
    } else if (i < a.size() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
      ++i;
    } else {
      changed.push_back(right[j++]);
    }
  }
  return changed;
}

std::vector<AnswerPiece> answer_pieces(const ComparisonAnswer& answer,
                                       const std::string* reference) {
  const std::string& text = answer.text;
  const auto changed = reference ? changed_words(*reference, text) : std::vector<TextRange>{};
  std::set<std::size_t> cuts{0, text.size()};
  for (const TextRange& word : changed) cuts.insert({word.begin, word.end});
  for (const AnswerToken& token : answer.tokens) {
    if (token.begin < token.end && token.end <= text.size()) cuts.insert({token.begin, token.end});
  }
  std::vector<AnswerPiece> pieces;
  std::size_t first = 0, word = 0;  // tokens and words before these lie behind
  for (auto cut = cuts.begin(), next = std::next(cut); next != cuts.end(); cut = next++) {
    AnswerPiece piece;
    piece.begin = *cut;
    piece.end = *next;
    while (word < changed.size() && changed[word].end <= piece.begin) ++word;
    piece.differs = word < changed.size() && changed[word].begin < piece.end;
    while (first < answer.tokens.size() && answer.tokens[first].end <= piece.begin) ++first;
    for (std::size_t i = first; i < answer.tokens.size(); ++i) {
      const AnswerToken& token = answer.tokens[i];
      if (token.begin >= piece.end) break;
      const bool inside = token.end <= text.size() && token.begin < token.end;
      if (inside && token.end > piece.begin) piece.tokens.push_back(i);
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

}  // namespace luthier
