// SPDX-License-Identifier: GPL-3.0-or-later
// Means over layers and heads, and their share for each cell.
#include "engine/compare/picture_attention.h"

namespace luthier {

std::vector<double> ColumnAttention::mean(std::optional<std::int64_t> layer,
                                          std::optional<std::int64_t> head) const {
  std::vector<double> sums(static_cast<std::size_t>(keys));
  std::int64_t count = 0;
  for (std::int64_t l = 0; l < layers; ++l) {
    if (layer && *layer != l) continue;
    for (std::int64_t h = 0; h < heads; ++h) {
      if (head && *head != h) continue;
      const auto row = static_cast<std::size_t>((l * heads + h) * keys);
      for (std::size_t key = 0; key < sums.size(); ++key)
        sums[key] += static_cast<double>(weights[row + key]);
      ++count;
    }
  }
  for (double& sum : sums) sum /= static_cast<double>(count > 0 ? count : 1);
  return sums;
}

std::vector<double> on_grid(const PictureGrid& grid, const std::vector<double>& mean) {
  std::vector<double> cells;
  cells.reserve(grid.places.size());
  for (const std::size_t place : grid.places)
    cells.push_back(place < mean.size() ? mean[place] : 0);
  return cells;
}

}  // namespace luthier
