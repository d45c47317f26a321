// SPDX-License-Identifier: GPL-3.0-or-later
// Many numbers in few: how they are spread.
#pragma once

#include <cstddef>
#include <vector>

namespace luthier {

struct Histogram {
  std::vector<double> edges;  ///< one more than counts; empty: there are no values
  std::vector<std::size_t> counts;
  std::size_t values = 0;
  double minimum = 0, maximum = 0, mean = 0, median = 0, high = 0;  ///< high: 95 of 100 are below
};

/// Bins of equal width over whole numbers where there are few of them; values that are not finite
/// are left out.
Histogram histogram_of(std::vector<double> values, std::size_t bins = 24);

}  // namespace luthier
