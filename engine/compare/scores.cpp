// SPDX-License-Identifier: GPL-3.0-or-later
// Counting multisets of words and of character n-grams (code points, white space left out, as chrF
// does).
#include "engine/compare/scores.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

#include "engine/base/text.h"
#include "engine/io/json.h"

namespace luthier {
namespace {

using Counts = std::map<std::string, int>;

int shared(const Counts& a, const Counts& b) {
  int sum = 0;
  for (const auto& [key, count] : a) {
    const auto other = b.find(key);
    if (other != b.end()) sum += std::min(count, other->second);
  }
  return sum;
}

int total(const Counts& counts) {
  int sum = 0;
  for (const auto& [key, count] : counts) sum += count;
  return sum;
}

Counts words(const std::string& text) {
  Counts counts;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) ++counts[word];
  return counts;
}

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

Counts grams(const std::vector<std::string>& characters, std::size_t length) {
  Counts counts;
  for (std::size_t begin = 0; begin + length <= characters.size(); ++begin) {
    std::string gram;
    for (std::size_t i = begin; i < begin + length; ++i) gram += characters[i];
    ++counts[gram];
  }
  return counts;
}

bool is_document(const std::string& text) {
  const auto json = parse_json(text, "answer");
  return json && (json->is_object() || json->is_array());
}

}  // namespace

double token_f1(const std::string& answer, const std::string& expected) {
  const Counts a = words(answer), b = words(expected);
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  const double same = shared(a, b);
  return same == 0 ? 0 : 2 * same / (total(a) + total(b));
}

double chrf(const std::string& answer, const std::string& expected) {
  constexpr std::size_t kLongest = 6;
  constexpr double kBeta2 = 4;
  const auto a = characters(answer), b = characters(expected);
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  double precision = 0, recall = 0;
  int orders = 0;
  for (std::size_t length = 1; length <= kLongest; ++length) {
    const Counts first = grams(a, length), second = grams(b, length);
    if (first.empty() && second.empty()) continue;
    const double same = shared(first, second);
    precision += first.empty() ? 0 : same / total(first);
    recall += second.empty() ? 0 : same / total(second);
    ++orders;
  }
  precision /= orders;
  recall /= orders;
  return precision + recall == 0
             ? 0
             : (1 + kBeta2) * precision * recall / (kBeta2 * precision + recall);
}

std::map<std::string, double> score_answer(const std::string& answer, const std::string& expected) {
  std::map<std::string, double> scores{{"exact", trimmed(answer) == trimmed(expected) ? 1.0 : 0.0},
                                       {"token_f1", token_f1(answer, expected)},
                                       {"chrf", chrf(answer, expected)}};
  if (is_document(expected)) scores["json"] = is_document(answer) ? 1 : 0;
  return scores;
}

}  // namespace luthier
