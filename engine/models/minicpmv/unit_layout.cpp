// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/minicpmv/unit_layout.h"

namespace luthier {

using torch::Tensor;

namespace {

/// A square of a unit that begins at `first` in the whole and is `columns` patches wide.
struct UnitSquare {
  std::int64_t first = 0, columns = 0, side = 1;
};

void add_square(const UnitSquare& square, std::vector<std::int64_t>& order) {
  if (square.side == 1) {
    order.push_back(square.first);
    return;
  }
  const std::int64_t half = square.side / 2;
  for (const std::int64_t down : {std::int64_t{0}, half * square.columns}) {
    for (const std::int64_t across : {std::int64_t{0}, half})
      add_square({square.first + down + across, square.columns, half}, order);
  }
}

}  // namespace

std::vector<PatchGrid> units_of(const std::vector<PictureFacts>& pictures) {
  std::vector<PatchGrid> units;
  for (const PictureFacts& picture : pictures) {
    const std::vector<std::int64_t>& grid = picture.grid;
    TORCH_CHECK(grid.size() == 6, "a picture's grid has slices and two sizes");
    units.push_back({grid[4], grid[5]});
    for (std::int64_t slice = 0; slice < grid[0] * grid[1]; ++slice)
      units.push_back({grid[2], grid[3]});
  }
  return units;
}

Tensor nested_order(const std::vector<PatchGrid>& units, std::int64_t levels) {
  std::vector<std::int64_t> order;
  std::int64_t start = 0;
  const std::int64_t side = std::int64_t{1} << levels;
  for (const PatchGrid& unit : units) {
    TORCH_CHECK(
        unit.rows > 0 && unit.columns > 0 && unit.rows % side == 0 && unit.columns % side == 0,
        "a unit of ", unit.rows, " x ", unit.columns, " patches does not divide into squares of ",
        side);
    for (std::int64_t row = 0; row < unit.rows; row += side) {
      for (std::int64_t column = 0; column < unit.columns; column += side)
        add_square({start + row * unit.columns + column, unit.columns, side}, order);
    }
    start += unit.rows * unit.columns;
  }
  return torch::tensor(order, torch::kInt64);
}

Tensor nearest_positions(const std::vector<PatchGrid>& units, std::int64_t side) {
  const double cell = 1.0 / static_cast<double>(side);
  const Tensor borders = torch::arange(cell, 1.0, cell, torch::kFloat32);
  const auto places = [&](std::int64_t count) {
    if (side == 1) return torch::zeros({count}, torch::kInt64);
    const Tensor begins = torch::arange(count, torch::kInt64) / count;  // float32
    return at::bucketize(begins, borders, /*out_int32=*/false, /*right=*/true);
  };
  std::vector<Tensor> positions;
  for (const PatchGrid& unit : units)
    positions.push_back((places(unit.rows).unsqueeze(1) * side + places(unit.columns)).flatten());
  return positions.size() == 1 ? positions.front() : at::cat(positions);
}

}  // namespace luthier
