// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/rewards/answer_measures.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string_view>

#include "engine/base/text.h"

namespace luthier {

namespace {

using Words = std::vector<std::string>;

bool beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string text) {
  for (char& c : text) c = lower(c);
  return text;
}

/// Runs of letters and digits in lower case.
Words plain_words(const std::string& text) {
  Words words;
  bool inside = false;
  for (const char c : text) {
    const bool belongs = is_digit(c) || is_letter(c) || beyond_ascii(c);
    if (belongs && !inside) words.emplace_back();
    if (belongs) words.back() += lower(c);
    inside = belongs;
  }
  return words;
}

/// mteval-v13a's tokens: punctuation stands alone, but for points and commas between digits and a
/// dash behind a letter.
Words tokens_13a(const std::string& given) {
  std::string text;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given.compare(i, 2, "-\n") == 0) {
      ++i;
      continue;
    }
    text += given[i] == '\n' ? ' ' : given[i];
  }
  for (const auto& [name, sign] : {std::pair("&quot;", "\""), std::pair("&amp;", "&"),
                                   std::pair("&lt;", "<"), std::pair("&gt;", ">")}) {
    const std::string_view from = name;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; ++at)
      text.replace(at, from.size(), sign);
  }
  constexpr std::string_view kSigns = "{|}~[]\\^_`\"!#$%&()*+:;<=>?@/";
  std::string apart = " ";
  for (const char c : text) {
    if (kSigns.find(c) != std::string_view::npos) {
      apart += ' ';
      apart += c;
      apart += ' ';
    } else {
      apart += c;
    }
  }
  apart += ' ';
  // Each rule reads what the one before it made, and goes on behind what it took.
  const auto pairs = [](const std::string& from, const auto& takes, bool sign_first) {
    std::string to;
    std::size_t i = 0;
    for (; i + 1 < from.size(); ++i) {
      if (!takes(from[i], from[i + 1])) {
        to += from[i];
        continue;
      }
      if (sign_first) {
        to.append({' ', from[i], ' ', from[i + 1]});
      } else {
        to.append({from[i], ' ', from[i + 1], ' '});
      }
      ++i;
    }
    return to.append(from, std::min(i, from.size()));
  };
  const auto point = [](char c) { return c == '.' || c == ','; };
  apart = pairs(
      apart, [&](char a, char b) { return !is_digit(a) && point(b); }, false);
  apart = pairs(
      apart, [&](char a, char b) { return point(a) && !is_digit(b); }, true);
  apart = pairs(
      apart, [](char a, char b) { return is_digit(a) && b == '-'; }, false);
  Words words;
  std::istringstream stream(apart);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::map<std::string, std::int64_t> grams_of(const Words& words, std::size_t order) {
  std::map<std::string, std::int64_t> counts;
  for (std::size_t begin = 0; begin + order <= words.size(); ++begin) {
    std::string gram = words[begin];
    for (std::size_t i = 1; i < order; ++i) gram.append(" ").append(words[begin + i]);
    ++counts[gram];
  }
  return counts;
}

/// Bytes of each code point.
Words code_points(const std::string& text) {
  Words points;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80 && !points.empty())
      points.back() += c;
    else
      points.emplace_back(1, c);
  }
  return points;
}

}  // namespace

double rouge_l(const std::string& answer, const std::string& expected) {
  std::map<std::string, int> numbers;  // of each word: they are compared often
  const auto numbered = [&numbers](const std::string& text) {
    std::vector<int> made;
    for (const std::string& word : plain_words(text))
      made.push_back(numbers.try_emplace(word, static_cast<int>(numbers.size())).first->second);
    return made;
  };
  const std::vector<int> a = numbered(answer), b = numbered(expected);
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  std::vector<std::size_t> before(b.size() + 1), now(b.size() + 1);
  for (const int word : a) {
    for (std::size_t j = 0; j < b.size(); ++j)
      now[j + 1] = word == b[j] ? before[j] + 1 : std::max(before[j + 1], now[j]);
    std::swap(before, now);
  }
  const auto common = static_cast<double>(before.back());
  return 2 * common / static_cast<double>(a.size() + b.size());
}

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (std::size_t n = 0; n < kOrders; ++n) {
    matches[n] += other.matches[n];
    totals[n] += other.totals[n];
  }
  length += other.length;
  expected_length += other.expected_length;
  return *this;
}

BleuCounts bleu_counts(const std::string& answer, const std::string& expected) {
  const Words a = tokens_13a(trimmed(answer)), b = tokens_13a(trimmed(expected));
  BleuCounts counts;
  counts.length = static_cast<std::int64_t>(a.size());
  counts.expected_length = static_cast<std::int64_t>(b.size());
  for (std::size_t n = 0; n < BleuCounts::kOrders; ++n) {
    const auto own = grams_of(a, n + 1), other = grams_of(b, n + 1);
    for (const auto& [gram, count] : own) {
      counts.totals[n] += count;
      const auto found = other.find(gram);
      if (found != other.end()) counts.matches[n] += std::min(count, found->second);
    }
  }
  return counts;
}

double bleu(const BleuCounts& counts, bool effective_order) {
  const bool any = std::any_of(counts.matches.begin(), counts.matches.end(),
                               [](std::int64_t count) { return count > 0; });
  if (!any) return 0;
  double smooth = 1, sum = 0;
  std::size_t orders = BleuCounts::kOrders;
  for (std::size_t n = 0; n < BleuCounts::kOrders; ++n) {
    if (counts.totals[n] == 0) {
      if (!effective_order) return 0;
      break;
    }
    if (effective_order) orders = n + 1;
    double share = static_cast<double>(counts.matches[n]) / static_cast<double>(counts.totals[n]);
    if (counts.matches[n] == 0) {
      smooth *= 2;
      share = 1 / (smooth * static_cast<double>(counts.totals[n]));
    }
    sum += std::log(share);
  }
  const double brevity = counts.length >= counts.expected_length
                             ? 1
                             : std::exp(1 - static_cast<double>(counts.expected_length) /
                                                static_cast<double>(counts.length));
  return brevity * std::exp(sum / static_cast<double>(orders));
}

double anls(const std::string& answer, const std::string& expected) {
  const Words a = code_points(lowered(trimmed(answer))),
              b = code_points(lowered(trimmed(expected)));
  const std::size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 1;
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t swapped = corner + (a[i] == b[j] ? 0 : 1);
      corner = row[j + 1];
      row[j + 1] = std::min({swapped, row[j] + 1, row[j + 1] + 1});
    }
  }
  const double apart = static_cast<double>(row.back()) / static_cast<double>(longer);
  return apart < 0.5 ? 1 - apart : 0;
}

Cider::Cider(const std::vector<std::string>& references) {
  for (const std::string& reference : references) {
    const Words words = plain_words(reference);
    for (std::size_t order = 1; order <= 4; ++order)
      for (const auto& [gram, count] : grams_of(words, order)) references_with_[gram] += 1;
  }
  log_count_ = std::log(static_cast<double>(std::max<std::size_t>(1, references.size())));
}

Cider::Vector Cider::vector_of(const std::string& text) const {
  Vector vector;
  const Words words = plain_words(text);
  for (std::size_t n = 0; n < 4; ++n) {
    for (const auto& [gram, count] : grams_of(words, n + 1)) {
      const auto found = references_with_.find(gram);
      const double with = found == references_with_.end() ? 1 : std::max(1.0, found->second);
      const double weight = static_cast<double>(count) * (log_count_ - std::log(with));
      vector.weights[n][gram] = weight;
      vector.norms[n] += weight * weight;
      if (n == 1) vector.length += count;
    }
    vector.norms[n] = std::sqrt(vector.norms[n]);
  }
  return vector;
}

double Cider::of(const std::string& answer, const std::string& expected) const {
  constexpr double kSigma = 6;
  const Vector own = vector_of(answer), reference = vector_of(expected);
  const auto apart = static_cast<double>(own.length - reference.length);
  double sum = 0;
  for (std::size_t n = 0; n < 4; ++n) {
    double alike = 0;
    for (const auto& [gram, weight] : own.weights[n]) {
      const auto found = reference.weights[n].find(gram);
      if (found != reference.weights[n].end())
        alike += std::min(weight, found->second) * found->second;
    }
    if (own.norms[n] != 0 && reference.norms[n] != 0) alike /= own.norms[n] * reference.norms[n];
    sum += alike * std::exp(-(apart * apart) / (2 * kSigma * kSigma));
  }
  return sum / 4 * 10;
}

}  // namespace luthier
