// SPDX-License-Identifier: GPL-3.0-or-later
// A person judges answers without knowing whose they are: columns stand in another order at each
// sample, one vote a sample is kept, and win rates come with Wilson's interval (Wilson 1927), which
// stays between 0 and 1 with few votes too. No LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace luthier {

struct Comparison;

/// Of one sample: the best answer's column, or that no one is better.
struct Vote {
  std::size_t row = 0;
  std::string column = {};  ///< empty: a tie
  bool operator==(const Vote&) const = default;
};

/// The order in which the columns stand at a sample: drawn from seed and place alone.
std::vector<std::size_t> shuffled_columns(std::size_t columns, std::uint64_t seed, std::size_t row);

/// One vote a row: a later one takes the place of an earlier one.
void put_vote(std::vector<Vote>& votes, Vote vote);

struct WinRate {
  double rate = 0;           ///< wins over votes, a tie as an equal share for each column
  double low = 0, high = 1;  ///< Wilson's interval at 95 %
  double wins = 0;
  std::size_t votes = 0;
};
/// `wins` of `votes`, which may be shares: Wilson's interval of the proportion at 95 %.
WinRate win_rate(double wins, std::size_t votes);
/// Of each column.
std::vector<WinRate> win_rates(const Comparison& comparison);

}  // namespace luthier
