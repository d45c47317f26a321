// SPDX-License-Identifier: GPL-3.0-or-later
// Counting multisets of character n-grams (code points, white space left out, as chrF does).
#include "engine/compare/scores.h"

#include <vector>

#include "engine/rewards/text_measures.h"

namespace luthier {
namespace {

/// Bytes of each code point, white space left out.
std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> result;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (continues && !result.empty())
      result.back() += c;
    else
      result.emplace_back(1, c);
  }
  return result;
}

TextCounts grams(const std::vector<std::string>& characters, std::size_t length) {
  TextCounts counts;
  for (std::size_t begin = 0; begin + length <= characters.size(); ++begin) {
    std::string gram;
    for (std::size_t i = begin; i < begin + length; ++i) gram += characters[i];
    ++counts[gram];
  }
  return counts;
}

}  // namespace

double chrf(const std::string& answer, const std::string& expected) {
  constexpr std::size_t kLongest = 6;
  constexpr double kBeta2 = 4;
  const auto a = characters(answer), b = characters(expected);
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  double precision = 0, recall = 0;
  int orders = 0;
  for (std::size_t length = 1; length <= kLongest; ++length) {
    const TextCounts first = grams(a, length), second = grams(b, length);
    if (first.empty() && second.empty()) continue;
    const double same = shared_count(first, second);
    precision += first.empty() ? 0 : same / total_count(first);
    recall += second.empty() ? 0 : same / total_count(second);
    ++orders;
  }
  precision /= orders;
  recall /= orders;
  return precision + recall == 0
             ? 0
             : (1 + kBeta2) * precision * recall / (kBeta2 * precision + recall);
}

std::map<std::string, double> score_answer(const std::string& answer, const std::string& expected) {
  std::map<std::string, double> scores{{"exact", same_text(answer, expected) ? 1.0 : 0.0},
                                       {"token_f1", token_f1(answer, expected)},
                                       {"chrf", chrf(answer, expected)}};
  if (is_json_document(expected)) scores["json"] = is_json_document(answer) ? 1 : 0;
  return scores;
}

}  // namespace luthier
