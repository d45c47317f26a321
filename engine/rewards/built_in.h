// SPDX-License-Identifier: GPL-3.0-or-later
// The reward functions that a recipe can name, a row each with its formula. Each looks at one
// answer and at the columns of its row that stand in its formula, and says nothing (no reward)
// where the row lacks them: so rows of several tasks can stand in one dataset.
#pragma once

#include <string>
#include <vector>

#include "engine/rewards/reward_function.h"

namespace luthier {

struct BuiltInReward {
  const char* name;     ///< as reward_funcs has it
  const char* formula;  ///< one sentence for people
  /// An Input error where a column that is there cannot be used.
  Result<Reward> (*reward)(const AnsweredRow& answer);
};

/// In the order in which people are told of them.
const std::vector<BuiltInReward>& built_in_rewards();

/// What a row expects as the answer, by the first of these columns that holds text: solution,
/// ground_truth, answer, completion, output, response; or else the last turn of `messages` or
/// `conversations`, where that is the assistant's. A list of texts: any of them. Empty: nothing is
/// expected.
std::vector<std::string> expected_answers(const Json& row);

namespace detail {
/// A file each, behind the table.
Result<Reward> exact_match_reward(const AnsweredRow& answer);
Result<Reward> contains_reward(const AnsweredRow& answer);
Result<Reward> word_overlap_reward(const AnsweredRow& answer);
Result<Reward> regex_reward(const AnsweredRow& answer);
Result<Reward> json_valid_reward(const AnsweredRow& answer);
Result<Reward> length_reward(const AnsweredRow& answer);
Result<Reward> box_overlap_reward(const AnsweredRow& answer);

/// Of a column of an answer's row: null where the row has none.
const Json* column(const AnsweredRow& answer, const char* name);
Error bad_column(const AnsweredRow& answer, const char* name, std::string what,
                 std::string hint = {});
/// The texts of a column that is a text or a list of texts; empty: there is no such column.
Result<std::vector<std::string>> texts_of(const AnsweredRow& answer, const char* name);
}  // namespace detail

}  // namespace luthier
