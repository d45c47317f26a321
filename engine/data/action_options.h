// SPDX-License-Identifier: GPL-3.0-or-later
// How a robot's actions are written as tokens (Kim et al. 2024, OpenVLA): each dimension is scaled
// to [−1, 1] by what the robot's data was between (its first and ninety-ninth hundredth), cut
// there, and counted into one of equal bins, which stand for the last tokens of the vocabulary, the
// highest bin lowest.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/tokenizer.h"

namespace luthier {

struct ActionOptions {
  /// Of a robot's data, one of each dimension.
  struct Robot {
    std::vector<double> low, high;
    std::vector<bool> scaled;  ///< no: the number is taken as it is (a gripper's 0 or 1)

    std::size_t dimensions() const { return low.size(); }
  };

  std::int64_t bins = 256;
  TokenId words = 32000;  ///< of the real vocabulary, whose last tokens the bins are
  TokenId space = 29871;  ///< stands before the first action
  std::map<std::string, Robot> robots;

  /// An action → its tokens. As many numbers as dimensions, finite.
  std::vector<TokenId> tokens(const Robot& robot, const std::vector<double>& action) const;
  /// Tokens → the action that they stand for: the middle of each bin. A token that is none of an
  /// action's is taken as the nearest that is one.
  std::vector<double> action(const Robot& robot, const std::vector<TokenId>& tokens) const;
  bool is_action(TokenId token) const { return token < words && token >= words - bins; }
  /// By name; the only one where `name` is empty. An Input error naming those there are.
  Result<const Robot*> robot(const std::string& name, const std::string& where) const;
};

/// config.json's `n_action_bins` and `norm_stats`, of a vocabulary of so many tokens that is filled
/// up to `pad_to_multiple_of`.
Result<ActionOptions> read_action_options(const Json& config, TokenId words,
                                          const std::string& where);

}  // namespace luthier
