// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/ruled_scores.h"

#include <algorithm>
#include <limits>
#include <set>

namespace luthier {

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

float* score_of(std::span<float> scores, TokenId id) {
  return id >= 0 && id < static_cast<TokenId>(scores.size()) ? &scores[static_cast<std::size_t>(id)]
                                                             : nullptr;
}

void refuse(std::span<float> scores, const std::vector<TokenId>& ids) {
  for (const TokenId id : ids)
    if (float* score = score_of(scores, id)) *score = kNever;
}

/// Nothing but these.
void force(std::span<float> scores, const std::vector<TokenId>& ids) {
  std::fill(scores.begin(), scores.end(), kNever);
  for (const TokenId id : ids)
    if (float* score = score_of(scores, id)) *score = 0;
}

}  // namespace

/// Keskar et al. 2019 (CTRL): each token that stands there, once.
void RuledScores::penalize(std::span<float> scores, std::span<const TokenId> before) const {
  const auto penalty = static_cast<float>(rules_.repetition_penalty);
  for (const TokenId id : std::set<TokenId>(before.begin(), before.end()))
    if (float* score = score_of(scores, id))
      *score = *score < 0 ? *score * penalty : *score / penalty;
}

/// What would make a run of tokens that stands there already.
void RuledScores::refuse_repeated(std::span<float> scores, std::span<const TokenId> before) const {
  const auto size = static_cast<std::size_t>(rules_.no_repeat_ngram_size);
  if (before.size() < size) return;
  const auto last = before.last(size - 1);
  for (std::size_t at = 0; at + size <= before.size(); ++at) {
    const auto run = before.subspan(at, size);
    if (!std::equal(last.begin(), last.end(), run.begin())) continue;
    if (float* score = score_of(scores, run.back())) *score = kNever;
  }
}

/// An end token alone is never a bad word, and a run longer than what stands there is left out.
void RuledScores::refuse_bad_words(std::span<float> scores, std::span<const TokenId> before) const {
  for (const std::vector<TokenId>& word : rules_.bad_words_ids) {
    const std::size_t prefix = word.size() - 1;
    if (prefix == 0 && std::find(ends_.begin(), ends_.end(), word.back()) != ends_.end()) continue;
    if (prefix != 0 && word.size() > before.size()) continue;
    if (!std::equal(word.begin(), word.end() - 1,
                    before.end() - static_cast<std::ptrdiff_t>(prefix)))
      continue;
    if (float* score = score_of(scores, word.back())) *score = kNever;
  }
}

void RuledScores::apply(std::span<float> scores, std::span<const TokenId> before,
                        std::size_t answered) const {
  const auto length = static_cast<std::int64_t>(before.size()),
             written = static_cast<std::int64_t>(answered);
  if (rules_.repetition_penalty != 1) penalize(scores, before);
  if (rules_.no_repeat_ngram_size > 0) refuse_repeated(scores, before);
  refuse_bad_words(scores, before);
  if (length < rules_.min_length || written < rules_.min_new_tokens) refuse(scores, ends_);
  if (rules_.forced_bos_token_id && length == 1) force(scores, {*rules_.forced_bos_token_id});
  if (!rules_.forced_eos_token_id.empty() && written == max_new_tokens_ - 1)
    force(scores, rules_.forced_eos_token_id);
  refuse(scores, rules_.suppress_tokens);
  // Behind a first token that is forced, the next one is the first that is chosen.
  const bool one_later = length - written == 1 && rules_.forced_bos_token_id;
  if (written == (one_later ? 1 : 0)) refuse(scores, rules_.begin_suppress_tokens);
}

}  // namespace luthier
