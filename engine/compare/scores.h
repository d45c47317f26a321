// SPDX-License-Identifier: GPL-3.0-or-later
// How near an answer is to the expected one: exact (after trimming), token F1 (SQuAD's, on words),
// chrF (Popović 2015: character n-grams to 6, β = 2), and, where JSON is expected, whether the
// answer is JSON at all. No LibTorch.
#pragma once

#include <array>
#include <map>
#include <string>

namespace luthier {

/// A reward model's word on an answer, which is no share (reward_scores.h).
inline constexpr const char* kRewardScore = "reward";
/// And beside it, but for the reference's column: 1 where the reward is above that of the
/// reference's answer, 0.5 where they are equal, 0 below. The mean is a win rate.
inline constexpr const char* kWinRate = "win_rate";

/// The scores from 0 to 1 by their keys, in the order in which people are told of them.
inline constexpr std::array<const char*, 5> kScoreKeys{"exact", "token_f1", "chrf", "json",
                                                       kWinRate};

/// exact, token_f1, chrf and, where the expected answer is a JSON object or list, json; each from 0
/// to 1.
std::map<std::string, double> score_answer(const std::string& answer, const std::string& expected);

double chrf(const std::string& answer, const std::string& expected);

}  // namespace luthier
