// SPDX-License-Identifier: GPL-3.0-or-later
// The answers that a run has drawn, as its folder keeps them (rollouts.jsonl), for who looks at
// them while the file grows: an index of steps with their rewards, read on from where it ended, and
// the rows of one step once somebody wants to see them. What a learner reads of such a file is
// rollout_rows().
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/conversation.h"

namespace luthier {

inline constexpr const char* kRolloutsFile = "rollouts.jsonl";

/// The rewards of several answers by one judge, under its name; NaN: it had nothing to say.
using NamedRewards = std::pair<std::string, std::vector<double>>;

/// What one step has drawn, without its texts.
struct DrawnStep {
  std::int64_t step = 0;              ///< from 1
  std::vector<std::uint64_t> begins;  ///< where the line of each of its rows begins in the file
  std::size_t answers = 0;            ///< of all its rows
  /// Of each judge as many as there are answers, row by row.
  std::vector<NamedRewards> rewards;
};

/// A piece of the index.
struct RolloutIndex {
  std::vector<DrawnStep> steps;
  std::uint64_t read_to = 0;  ///< where the next piece begins
  bool more = false;          ///< there are whole lines behind it
  bool anew = false;          ///< the file has become shorter: this is its beginning
};

/// Reads about `most` bytes of whole lines from `from` on, a line at least. A file that is not
/// there has none; a broken line is passed over, and one without its end waits for it.
Result<RolloutIndex> read_rollout_index(const std::filesystem::path& file, std::uint64_t from,
                                        std::uint64_t most);
/// Puts a piece behind those before it; a step that both have is one.
void join_rollouts(std::vector<DrawnStep>& steps, RolloutIndex piece);

struct DrawnAnswer {
  std::string text;
  std::size_t tokens = 0;
  std::vector<double> rewards;  ///< one a judge; NaN: none
};
struct DrawnRow {
  std::int64_t row = 0;  ///< of its dataset, from 0
  Conversation prompt;
  std::vector<std::string> judges;
  std::vector<DrawnAnswer> answers;
};

/// The rows whose lines begin there, which the index has named. An Input error where one is none.
Result<std::vector<DrawnRow>> read_drawn_rows(const std::filesystem::path& file,
                                              const std::vector<std::uint64_t>& begins);

/// What an answer is worth in all: the sum of its rewards, each by its weight where there are as
/// many weights; what is not there is left out (TRL's nansum). NaN: no judge had anything to say.
double reward_sum(const std::vector<double>& rewards, const std::vector<double>& weights);

}  // namespace luthier
