// SPDX-License-Identifier: GPL-3.0-or-later
// What an answer is worth, said by a function of its text and its row: the reward of the sampled
// objectives (grpo, rloo), and a score of anybody else. Those that are built in are a row of a
// table each (built_in.h); a reward model or a program of the user's takes the same place. No
// LibTorch.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/conversation.h"
#include "engine/io/json.h"

namespace luthier {

/// An answer and what it answers. What it points to outlives the call.
struct AnsweredRow {
  std::string text;                      ///< the answer as people read it, without its end token
  const Json* row = nullptr;             ///< as it is written, with all its columns
  const Conversation* prompt = nullptr;  ///< as the model got it: turns and pictures
  std::string where;                     ///< "train.jsonl: row 3"
};

/// A number, or nothing where the function has none for this answer (TRL's None): such an answer's
/// other rewards are summed without it.
using Reward = std::optional<double>;

class RewardFunction {
 public:
  virtual ~RewardFunction() = default;

  /// What metrics call it: rewards/NAME/mean.
  virtual const std::string& name() const = 0;
  /// One reward for each answer, in their order; every number is finite. An Input error where a
  /// row's column cannot be used, naming row and column; a Machine error where a model or a program
  /// fails. Answers of all rows of a step come at once, since a model answers them together.
  virtual Result<std::vector<Reward>> rewards(const std::vector<AnsweredRow>& answers) = 0;
};

/// The built-in function of that name, or under `program` the one that the person has named
/// (program_reward.h); null: there is none.
std::unique_ptr<RewardFunction> make_built_in_reward(std::string_view name);
/// An Input error that names the field `where` and lists what is there.
Error no_such_reward(const std::string& name, const std::string& where);

}  // namespace luthier
