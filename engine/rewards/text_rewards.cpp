// SPDX-License-Identifier: GPL-3.0-or-later
// Rewards by the answer's text alone: equal, contained, matched, valid, long enough, alike.
#include <algorithm>
#include <cmath>

#include "engine/rewards/built_in.h"
#include "engine/rewards/text_measures.h"
#include "engine/text/regex.h"

namespace luthier::detail {

namespace {

/// The best of what a measure says of the answer and each expected one.
template <class Measure>
Result<Reward> best_of_expected(const AnsweredRow& answer, Measure measure) {
  if (!answer.row) return Reward();
  Reward best;
  for (const std::string& each : expected_answers(*answer.row))
    best = std::max(best.value_or(0), static_cast<double>(measure(answer.text, each)));
  return best;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Code points of UTF-8.
std::int64_t characters_in(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace

Result<Reward> exact_match_reward(const AnsweredRow& answer) {
  return best_of_expected(answer, same_text);
}

Result<Reward> word_overlap_reward(const AnsweredRow& answer) {
  return best_of_expected(answer, token_f1);
}

Result<Reward> contains_reward(const AnsweredRow& answer) {
  LUTHIER_TRY(const std::vector<std::string> parts, texts_of(answer, "contains"));
  if (parts.empty()) return best_of_expected(answer, holds);
  const auto held = std::count_if(parts.begin(), parts.end(), [&](const std::string& part) {
    return holds(answer.text, part);
  });
  return Reward(static_cast<double>(held) / static_cast<double>(parts.size()));
}

Result<Reward> regex_reward(const AnsweredRow& answer) {
  const Json* pattern = column(answer, "pattern");
  if (!pattern) return Reward();
  if (!pattern->is_string())
    return bad_column(answer, "pattern", "The pattern must be a text.",
                      "Write one regular expression, as Python's re has it.");
  LUTHIER_TRY(const Regex regex, Regex::compile(pattern->get<std::string>(),
                                                answer.where + ": pattern", Regex::Syntax::Python));
  LUTHIER_TRY(const auto found, regex.find_all(answer.text));
  return Reward(found.empty() ? 0.0 : 1.0);
}

Result<Reward> json_valid_reward(const AnsweredRow& answer) {
  return Reward(is_json_document(answer.text) ? 1.0 : 0.0);
}

Result<Reward> length_reward(const AnsweredRow& answer) {
  const Json* target = column(answer, "target_length");
  if (!target) return Reward();
  const double wanted = target->is_number() ? target->get<double>() : 0;
  if (!std::isfinite(wanted) || wanted <= 0)
    return bad_column(answer, "target_length", "The length must be a number above 0.",
                      "Write how many characters an answer should have.");
  const auto length = static_cast<double>(characters_in(answer.text));
  return Reward(std::max(0.0, 1 - std::abs(length - wanted) / wanted));
}

}  // namespace luthier::detail
