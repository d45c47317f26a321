// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/reward_spread.h"

#include <algorithm>
#include <cmath>

namespace luthier {

namespace {

/// 1, 2 or 5 times a power of ten: the largest that is not above `span`.
double round_part(double span) {
  const double power = std::pow(10.0, std::floor(std::log10(span)));
  for (const double factor : {5.0, 2.0})
    if (factor * power <= span) return factor * power;
  return power;
}

void put_together(RewardSpread& all, const RewardSpread& more) {
  all.last_step = more.last_step;
  if (more.count == 0) return;
  all.low = all.count ? std::min(all.low, more.low) : more.low;
  all.high = all.count ? std::max(all.high, more.high) : more.high;
  const auto count = static_cast<double>(all.count), others = static_cast<double>(more.count);
  all.mean = (all.mean * count + more.mean * others) / (count + others);
  all.count += more.count;
  for (std::size_t i = 0; i < kRewardBins; ++i) all.bins[i] += more.bins[i];
}

}  // namespace

std::size_t RewardScale::bin_of(double reward) const {
  const double place = (reward - low) / (high - low) * static_cast<double>(kRewardBins);
  return static_cast<std::size_t>(
      std::clamp(std::floor(place), 0.0, static_cast<double>(kRewardBins - 1)));
}

double RewardScale::edge(std::size_t bin) const {
  return low + (high - low) * static_cast<double>(bin) / static_cast<double>(kRewardBins);
}

RewardScale scale_of(double low, double high) {
  if (!(high > low)) return {low - 0.5, low + 0.5};
  const double part = round_part((high - low) / 2);
  // What rounding adds to an end that lies on a part is none.
  constexpr double kNear = 1e-9;
  return {std::floor(low / part + kNear) * part, std::ceil(high / part - kNear) * part};
}

RewardSpread spread_of(std::int64_t step, const std::vector<double>& rewards,
                       const RewardScale& scale) {
  RewardSpread spread;
  spread.step = spread.last_step = step;
  double sum = 0;
  for (const double reward : rewards) {
    if (!std::isfinite(reward)) continue;
    spread.low = spread.count ? std::min(spread.low, reward) : reward;
    spread.high = spread.count ? std::max(spread.high, reward) : reward;
    sum += reward;
    ++spread.count;
    ++spread.bins[scale.bin_of(reward)];
  }
  if (spread.count) spread.mean = sum / static_cast<double>(spread.count);
  return spread;
}

std::vector<RewardSpread> joined_spreads(const std::vector<RewardSpread>& spreads,
                                         std::size_t most) {
  if (spreads.size() <= most) return spreads;
  std::vector<RewardSpread> joined;
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t begin = i * spreads.size() / most, end = (i + 1) * spreads.size() / most;
    RewardSpread all = spreads[begin];
    for (std::size_t j = begin + 1; j < end; ++j) put_together(all, spreads[j]);
    joined.push_back(all);
  }
  return joined;
}

}  // namespace luthier
