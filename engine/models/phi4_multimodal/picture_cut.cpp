// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/phi4_multimodal/picture_cut.h"

#include <algorithm>

namespace luthier {

std::vector<PatchGrid> Phi4Cut::frames(const std::vector<std::int64_t>& grid) const {
  const auto fits = [this](std::int64_t squares, std::int64_t shown) {
    return squares >= 1 && shown > side * (squares - 1) && shown <= side * squares;
  };
  TORCH_CHECK(grid.size() == 4 && fits(grid[0], grid[2]) && fits(grid[1], grid[3]),
              "a picture's grid has the rows and columns of its squares and of its patches");
  std::vector<PatchGrid> all{{side, side}};
  for (std::int64_t row = 0; row < grid[0]; ++row)
    for (std::int64_t column = 0; column < grid[1]; ++column)
      all.push_back(
          {std::min(side, grid[2] - side * row), std::min(side, grid[3] - side * column)});
  return all;
}

PatchGrid Phi4Cut::lines(const std::vector<std::int64_t>& grid) const {
  const PatchGrid last = frames(grid).back();
  return {(grid[0] - 1) * pooled() + pooled(last.rows),
          (grid[1] - 1) * pooled() + pooled(last.columns)};
}

std::int64_t Phi4Cut::features(const std::vector<std::int64_t>& grid) const {
  const PatchGrid all = lines(grid);
  return pooled() * pooled() + all.rows * all.columns;
}

std::int64_t Phi4Cut::tokens(const std::vector<std::int64_t>& grid) const {
  return features(grid) + lines(grid).rows + 1 + pooled();
}

void Phi4Cut::add_order(const std::vector<std::int64_t>& grid, std::int64_t first,
                        std::int64_t line, std::int64_t view,
                        std::vector<std::int64_t>& order) const {
  const std::int64_t edge = pooled();
  std::vector<std::int64_t> starts, widths;
  std::int64_t next = first;
  for (const PatchGrid& frame : frames(grid)) {
    starts.push_back(next);
    widths.push_back(pooled(frame.columns));
    next += pooled(frame.rows) * pooled(frame.columns);
  }
  const PatchGrid all = lines(grid);
  for (std::int64_t row = 0; row < all.rows; ++row) {
    for (std::int64_t column = 0; column < all.columns; ++column) {
      const auto square = static_cast<std::size_t>(1 + row / edge * grid[1] + column / edge);
      order.push_back(starts[square] + row % edge * widths[square] + column % edge);
    }
    order.push_back(line);
  }
  order.push_back(view);
  for (std::int64_t row = 0; row < edge; ++row) {
    for (std::int64_t column = 0; column < edge; ++column)
      order.push_back(first + row * edge + column);
    order.push_back(line);
  }
}

}  // namespace luthier
