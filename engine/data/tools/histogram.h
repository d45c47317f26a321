// SPDX-License-Identifier: GPL-3.0-or-later
// Many numbers in few: how they are spread.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

namespace luthier {

struct Histogram {
  std::vector<double> edges;  ///< one more than counts; empty: there are no values
  std::vector<std::size_t> counts;
  std::size_t values = 0;
  double minimum = 0, maximum = 0, mean = 0, median = 0, high = 0;  ///< high: 95 of 100 are below
};

/// How often each number came. Lengths and sizes of a million rows are a few thousand numbers.
using CountedValues = std::unordered_map<double, std::size_t>;

/// Bins of equal width over whole numbers where there are few of them; values that are not finite
/// are left out.
Histogram histogram_of(const CountedValues& values, std::size_t bins = 24);

}  // namespace luthier
