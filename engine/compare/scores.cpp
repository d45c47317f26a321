// SPDX-License-Identifier: GPL-3.0-or-later
// Counting multisets of character n-grams (code points, white space left out, as chrF does).
#include "engine/compare/scores.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/compare/comparison.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/rewards/answer_measures.h"
#include "engine/rewards/text_measures.h"
#include "engine/text/regex.h"

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
    if (first.empty() || second.empty()) continue;  // as sacrebleu: of the orders that both have
    const double same = shared_count(first, second);
    precision += same / total_count(first);
    recall += same / total_count(second);
    ++orders;
  }
  precision /= orders;
  recall /= orders;
  return precision + recall == 0
             ? 0
             : (1 + kBeta2) * precision * recall / (kBeta2 * precision + recall);
}

namespace {
/// Bytes. It is a measure of short answers, and its work grows with the square.
constexpr std::size_t kLongestForAnls = 2000;
}  // namespace

std::map<std::string, double> score_answer(const std::string& answer, const std::string& expected) {
  std::map<std::string, double> scores{{"exact", same_text(answer, expected) ? 1.0 : 0.0},
                                       {"token_f1", token_f1(answer, expected)},
                                       {"chrf", chrf(answer, expected)},
                                       {"rouge_l", rouge_l(answer, expected)},
                                       {"bleu", bleu(bleu_counts(answer, expected), true)}};
  if (std::max(answer.size(), expected.size()) <= kLongestForAnls)
    scores["anls"] = anls(answer, expected);
  if (const double overlap = text_box_overlap(answer, expected); overlap >= 0)
    scores["box"] = overlap;
  if (is_json_document(expected)) scores["json"] = is_json_document(answer) ? 1 : 0;
  return scores;
}

void add_cider(Comparison& comparison) {
  std::vector<std::string> references;
  for (const ComparisonRow& row : comparison.rows)
    if (const auto expected = row.sample.expected();
        expected && !holds_boxes(row.sample.conversation))
      references.push_back(*expected);
  if (references.empty()) return;
  const Cider cider(references);
  for (ComparisonRow& row : comparison.rows) {
    const auto expected = row.sample.expected();
    const bool words = expected && !holds_boxes(row.sample.conversation);
    for (ComparisonAnswer& answer : row.answers)
      if (words && answer.whole()) answer.scores[kCiderScore] = cider.of(answer.text, *expected);
  }
}

Status check_pattern(const std::string& pattern) {
  if (pattern.empty()) return {};
  const auto regex = Regex::compile(pattern, "pattern", Regex::Syntax::Python);
  return regex ? Status() : Status(regex.error());
}

Status score_by_pattern(Comparison& comparison, const std::string& pattern) {
  LUTHIER_CHECK(check_pattern(pattern));
  comparison.pattern = pattern;
  std::optional<Regex> regex;
  if (!pattern.empty()) {
    LUTHIER_TRY(regex, Regex::compile(pattern, "pattern", Regex::Syntax::Python));
  }
  const auto first = [&regex](const std::string& text) -> Result<std::optional<std::string>> {
    LUTHIER_TRY(const auto found, regex->find_all(text));
    if (found.empty()) return std::optional<std::string>();
    return std::optional(
        text.substr(found.front().first, found.front().second - found.front().first));
  };
  for (ComparisonRow& row : comparison.rows) {
    std::optional<std::string> wanted;
    const auto expected = row.sample.expected();
    if (regex && expected) {
      LUTHIER_TRY(wanted, first(*expected));
    }
    for (ComparisonAnswer& answer : row.answers) {
      answer.scores.erase("pattern");
      if (!regex || !answer.whole()) continue;
      LUTHIER_TRY(const auto found, first(answer.text));
      answer.scores["pattern"] = found && (!wanted || *found == *wanted) ? 1 : 0;
    }
  }
  return {};
}

}  // namespace luthier
