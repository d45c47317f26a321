// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/votes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/random_stream.h"
#include "engine/compare/comparison.h"

namespace luthier {

std::vector<std::size_t> shuffled_columns(std::size_t columns, std::uint64_t seed,
                                          std::size_t row) {
  constexpr std::uint64_t kBlindStream = 0xb11d;
  std::vector<std::size_t> order(columns);
  std::iota(order.begin(), order.end(), std::size_t{0});
  RandomStream draws(seed, kBlindStream, row);
  for (std::size_t left = columns; left > 1; --left)
    std::swap(order[left - 1],
              order[static_cast<std::size_t>(draws.below(static_cast<int>(left)))]);
  return order;
}

void put_vote(std::vector<Vote>& votes, Vote vote) {
  const auto found = std::find_if(votes.begin(), votes.end(),
                                  [&](const Vote& each) { return each.row == vote.row; });
  if (found != votes.end())
    *found = std::move(vote);
  else
    votes.push_back(std::move(vote));
}

WinRate win_rate(double wins, std::size_t votes) {
  constexpr double kNormal = 1.959963984540054;  // the normal distribution's 97.5 % point
  WinRate result{0, 0, 1, wins, votes};
  if (votes == 0) return result;
  const double n = static_cast<double>(votes), rate = wins / n, z2 = kNormal * kNormal;
  const double middle = (rate + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kNormal / (1 + z2 / n) * std::sqrt(rate * (1 - rate) / n + z2 / (4 * n * n));
  result.rate = rate;
  result.low = std::max(0.0, middle - half);
  result.high = std::min(1.0, middle + half);
  return result;
}

std::vector<WinRate> win_rates(const Comparison& comparison) {
  const std::size_t count = comparison.columns.size();
  std::vector<double> wins(count);
  std::size_t votes = 0;
  for (const Vote& vote : comparison.votes) {
    const auto best = std::find_if(comparison.columns.begin(), comparison.columns.end(),
                                   [&](const auto& each) { return each.name == vote.column; });
    if (vote.column.empty()) {
      for (double& each : wins) each += 1 / static_cast<double>(count);
    } else if (best == comparison.columns.end()) {
      continue;  // a column that is there no more
    } else {
      wins[static_cast<std::size_t>(best - comparison.columns.begin())] += 1;
    }
    ++votes;
  }
  std::vector<WinRate> rates;
  for (const double each : wins) rates.push_back(win_rate(each, votes));
  return rates;
}

}  // namespace luthier
