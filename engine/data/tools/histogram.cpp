// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/histogram.h"

#include <algorithm>
#include <cmath>

namespace luthier {

Histogram histogram_of(std::vector<double> values, std::size_t bins) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  Histogram made;
  made.values = values.size();
  if (values.empty() || bins == 0) return made;
  std::sort(values.begin(), values.end());
  made.minimum = values.front();
  made.maximum = values.back();
  double sum = 0;
  for (const double value : values) sum += value;
  made.mean = sum / static_cast<double>(values.size());
  const std::size_t middle = values.size() / 2;
  made.median = values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  // The nearest rank: the smallest value that so many are not above.
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(values.size())));
  made.high = values[std::max<std::size_t>(rank, 1) - 1];
  const double span = made.maximum - made.minimum;
  const bool whole = std::all_of(values.begin(), values.end(),
                                 [](double value) { return value == std::floor(value); });
  double width = span / static_cast<double>(bins), begin = made.minimum;
  if (whole) width = std::max(1.0, std::ceil((span + 1) / static_cast<double>(bins)));
  if (width <= 0) width = 1;
  const auto count = whole ? static_cast<std::size_t>(std::floor(span / width)) + 1
                           : (span > 0 ? bins : std::size_t{1});
  made.counts.assign(count, 0);
  for (std::size_t i = 0; i <= count; ++i)
    made.edges.push_back(begin + width * static_cast<double>(i));
  for (const double value : values)
    ++made.counts[std::min(count - 1, static_cast<std::size_t>((value - begin) / width))];
  return made;
}

}  // namespace luthier
