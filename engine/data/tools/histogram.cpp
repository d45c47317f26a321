// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/histogram.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace luthier {

namespace {

using Counted = std::vector<std::pair<double, std::size_t>>;

/// The value at a place of all of them in ascending order.
double value_at(const Counted& values, std::size_t place) {
  for (const auto& [value, count] : values) {
    if (place < count) return value;
    place -= count;
  }
  return values.back().first;
}

}  // namespace

Histogram histogram_of(const CountedValues& values, std::size_t bins) {
  Counted sorted;
  Histogram made;
  for (const auto& each : values) {
    if (!std::isfinite(each.first)) continue;
    sorted.push_back(each);
    made.values += each.second;
  }
  if (sorted.empty() || bins == 0) return made;
  std::sort(sorted.begin(), sorted.end());
  made.minimum = sorted.front().first;
  made.maximum = sorted.back().first;
  double sum = 0;
  for (const auto& [value, count] : sorted) sum += value * static_cast<double>(count);
  made.mean = sum / static_cast<double>(made.values);
  const std::size_t middle = made.values / 2;
  made.median = made.values % 2 ? value_at(sorted, middle)
                                : (value_at(sorted, middle - 1) + value_at(sorted, middle)) / 2;
  // The nearest rank: the smallest value that so many are not above.
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(made.values)));
  made.high = value_at(sorted, std::max<std::size_t>(rank, 1) - 1);
  const double span = made.maximum - made.minimum;
  const bool whole = std::all_of(sorted.begin(), sorted.end(), [](const auto& each) {
    return each.first == std::floor(each.first);
  });
  double width = span / static_cast<double>(bins), begin = made.minimum;
  if (whole) width = std::max(1.0, std::ceil((span + 1) / static_cast<double>(bins)));
  if (width <= 0) width = 1;
  const auto parts = whole ? static_cast<std::size_t>(std::floor(span / width)) + 1
                           : (span > 0 ? bins : std::size_t{1});
  made.counts.assign(parts, 0);
  for (std::size_t i = 0; i <= parts; ++i)
    made.edges.push_back(begin + width * static_cast<double>(i));
  for (const auto& [value, count] : sorted)
    made.counts[std::min(parts - 1, static_cast<std::size_t>((value - begin) / width))] += count;
  return made;
}

}  // namespace luthier
