// SPDX-License-Identifier: GPL-3.0-or-later
// How near an answer is to the expected one: exact (after trimming), token F1 (SQuAD's, on words),
// chrF (Popović 2015: character n-grams to 6, β = 2), ROUGE-L, BLEU, CIDEr-D, ANLS
// (rewards/answer_measures.h), the overlap of boxes where some are expected, whether a pattern
// finds the same in both, and, where JSON is expected, whether the answer is JSON at all. No
// LibTorch.
#pragma once

#include <array>
#include <map>
#include <string>

#include "engine/base/result.h"

namespace luthier {

/// A reward model's word on an answer, which is no share (reward_scores.h).
inline constexpr const char* kRewardScore = "reward";
/// And beside it, but for the reference's column: 1 where the reward is above that of the
/// reference's answer, 0.5 where they are equal, 0 below. The mean is a win rate.
inline constexpr const char* kWinRate = "win_rate";

/// The scores from 0 to 1 by their keys, in the order in which people are told of them.
inline constexpr std::array<const char*, 10> kScoreKeys{
    "exact", "pattern", "token_f1", "rouge_l", "bleu", "chrf", "anls", "box", "json", kWinRate};
/// CIDEr-D, which goes to 10 and is of an answer among all the samples (add_cider).
inline constexpr const char* kCiderScore = "cider";
/// Those that are no shares, behind the others.
inline constexpr std::array<const char*, 2> kNumberKeys{kCiderScore, kRewardScore};

/// All but pattern, CIDEr-D and what a reward model says; anls of short texts alone, box where
/// boxes are expected, json where a JSON object or list is. Each from 0 to 1; bleu is the
/// sentence's.
std::map<std::string, double> score_answer(const std::string& answer, const std::string& expected);

struct Comparison;

/// Every answer's CIDEr-D, of which all expected answers together decide how rare words are: again
/// whenever an answer or the samples have changed.
void add_cider(Comparison& comparison);

/// A regular expression as Python's re has it; an Input error where it is none. Empty: fine.
Status check_pattern(const std::string& pattern);
/// Whether the first match in the answer is that in the expected one, which has one; where it has
/// none, or nothing is expected, whether there is a match at all. Takes the place of an earlier
/// pattern's; empty: there is none any more.
Status score_by_pattern(Comparison& comparison, const std::string& pattern);

double chrf(const std::string& answer, const std::string& expected);

}  // namespace luthier
