// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/siglip2/naflex_grid.h"

#include <algorithm>
#include <cmath>

namespace luthier {

using torch::Tensor;

namespace {

/// [count, side]: a triangle about each patch's middle, as wide as one patch is in the table where
/// that is more than a cell; in float32, as torch counts.
Tensor shares_of_side(std::int64_t count, std::int64_t side) {
  const float scale = static_cast<float>(side) / static_cast<float>(count);
  const float support = std::max(scale, 1.0F), narrowing = 1.0F / support;
  Tensor shares = torch::zeros({count, side}, torch::kFloat32);
  auto cells = shares.accessor<float, 2>();
  for (std::int64_t patch = 0; patch < count; ++patch) {
    const float centre = scale * (static_cast<float>(patch) + 0.5F);
    const auto first =
        std::max(static_cast<std::int64_t>(centre - support + 0.5F), std::int64_t{0});
    const auto end = std::min(static_cast<std::int64_t>(centre + support + 0.5F), side);
    float sum = 0;
    for (std::int64_t cell = first; cell < end; ++cell) {
      const float away = std::fabs((static_cast<float>(cell) - centre + 0.5F) * narrowing);
      cells[patch][cell] = std::max(1.0F - away, 0.0F);
      sum += cells[patch][cell];
    }
    for (std::int64_t cell = first; cell < end; ++cell) cells[patch][cell] /= sum;
  }
  return shares;
}

}  // namespace

Tensor position_shares(const std::vector<PatchGrid>& frames, std::int64_t side) {
  std::vector<Tensor> all;
  for (const PatchGrid& frame : frames) {
    const Tensor down = shares_of_side(frame.rows, side),
                 across = shares_of_side(frame.columns, side);
    all.push_back((down.view({frame.rows, 1, side, 1}) * across.view({1, frame.columns, 1, side}))
                      .view({frame.rows * frame.columns, side * side}));
  }
  return all.size() == 1 ? all.front() : at::cat(all);
}

}  // namespace luthier
