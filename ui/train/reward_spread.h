// SPDX-License-Identifier: GPL-3.0-or-later
// How rewards are spread: counts in bins over a scale that all steps of a run share. Plain
// functions on vectors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace luthier {

inline constexpr std::size_t kRewardBins = 12;

struct RewardScale {
  double low = 0, high = 1;

  bool holds(double reward) const { return low <= reward && reward <= high; }
  /// The bin of a reward on the scale, the lowest first; its upper end is the last one's.
  std::size_t bin_of(double reward) const;
  /// Where a bin begins; of kRewardBins: where the last one ends.
  double edge(std::size_t bin) const;
  bool operator==(const RewardScale&) const = default;
};

/// The rewards that one step gave, or several that are drawn as one.
struct RewardSpread {
  std::int64_t step = 0, last_step = 0;
  std::size_t count = 0;  ///< answers with a reward
  double mean = 0, low = 0, high = 0;
  std::array<std::size_t, kRewardBins> bins{};
};

/// From `low` to `high` and a little further, to round numbers: a scale that rarely changes while
/// rewards come in. Rewards that are all the same get room on both sides.
RewardScale scale_of(double low, double high);

/// NaN is no reward, and a reward beside the scale stands at its end.
RewardSpread spread_of(std::int64_t step, const std::vector<double>& rewards,
                       const RewardScale& scale);

/// At most `most`, neighbours put together evenly: the i-th has those from i · n / m on.
std::vector<RewardSpread> joined_spreads(const std::vector<RewardSpread>& spreads,
                                         std::size_t most);

}  // namespace luthier
