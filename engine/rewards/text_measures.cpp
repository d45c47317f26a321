// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/rewards/text_measures.h"

#include <algorithm>
#include <sstream>

#include "engine/base/text.h"
#include "engine/io/json.h"

namespace luthier {

namespace {

TextCounts words_of(const std::string& text) {
  TextCounts counts;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) ++counts[word];
  return counts;
}

}  // namespace

int shared_count(const TextCounts& a, const TextCounts& b) {
  int sum = 0;
  for (const auto& [key, count] : a) {
    const auto other = b.find(key);
    if (other != b.end()) sum += std::min(count, other->second);
  }
  return sum;
}

int total_count(const TextCounts& counts) {
  int sum = 0;
  for (const auto& [key, count] : counts) sum += count;
  return sum;
}

bool same_text(const std::string& answer, const std::string& expected) {
  return trimmed(answer) == trimmed(expected);
}

double token_f1(const std::string& answer, const std::string& expected) {
  const TextCounts a = words_of(answer), b = words_of(expected);
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  const double same = shared_count(a, b);
  return same == 0 ? 0 : 2 * same / (total_count(a) + total_count(b));
}

bool is_json_document(const std::string& text) {
  const auto json = parse_json(text, "answer");
  return json && (json->is_object() || json->is_array());
}

}  // namespace luthier
