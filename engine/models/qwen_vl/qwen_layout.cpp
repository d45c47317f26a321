// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/qwen_vl/qwen_layout.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace luthier {

namespace {

using torch::Tensor;

/// Calls visit(row, column) for the patches of one frame in the order in which they come.
void each_patch(const QwenGrid& grid, std::int64_t merge, const auto& visit) {
  for (std::int64_t block_row = 0; block_row < grid.rows; block_row += merge) {
    for (std::int64_t block_column = 0; block_column < grid.columns; block_column += merge) {
      for (std::int64_t row = block_row; row < block_row + merge; ++row) {
        for (std::int64_t column = block_column; column < block_column + merge; ++column)
          visit(row, column);
      }
    }
  }
}

/// Neighbours on one axis.
template <std::size_t count>
struct AxisTaps {
  std::array<std::int64_t, count> at;
  std::array<float, count> share;
};

/// Where `index` of `size` falls on an axis of `side` positions whose ends meet, in float32 as
/// transformers computes it.
AxisTaps<2> axis_taps(std::int64_t index, std::int64_t size, std::int64_t side) {
  const float place = static_cast<float>(index) * static_cast<float>(side - 1) /
                      static_cast<float>(std::max<std::int64_t>(size - 1, 1));
  const float below = std::floor(place);
  const auto first = static_cast<std::int64_t>(below);
  const auto clamped = [&](std::int64_t at) { return std::clamp<std::int64_t>(at, 0, side - 1); };
  return {{clamped(first), clamped(first + 1)},
          {1 - std::abs(place - below), 1 - std::abs(place - below - 1)}};
}

/// The same where middles of cells meet, in float32 as grid_sample computes it: from the unit of
/// that function's coordinates, −1 to 1.
AxisTaps<4> cubic_axis_taps(std::int64_t index, std::int64_t size, std::int64_t side) {
  constexpr float kCurve = -0.75F;
  const float unit = (static_cast<float>(index) + 0.5F) / static_cast<float>(size) * 2 - 1;
  const float place = ((unit + 1) * static_cast<float>(side) - 1) / 2;
  const float below = std::floor(place), after = place - below;
  const auto near = [](float x) { return ((kCurve + 2) * x - (kCurve + 3)) * x * x + 1; };
  const auto far = [](float x) {
    return ((kCurve * x - 5 * kCurve) * x + 8 * kCurve) * x - 4 * kCurve;
  };
  AxisTaps<4> taps{{}, {far(after + 1), near(after), near(1 - after), far(2 - after)}};
  for (std::size_t tap = 0; tap < 4; ++tap) {
    const auto at = static_cast<std::int64_t>(below) - 1 + static_cast<std::int64_t>(tap);
    taps.at[tap] = std::clamp<std::int64_t>(at, 0, side - 1);
  }
  return taps;
}

/// What `axis` says of rows and of columns, together.
template <std::size_t count>
PositionTaps taps_of(const std::vector<QwenGrid>& grids, std::int64_t merge, std::int64_t side,
                     AxisTaps<count> (*axis)(std::int64_t, std::int64_t, std::int64_t)) {
  std::array<std::vector<std::int64_t>, count * count> indices;
  std::array<std::vector<float>, count * count> weights;
  for (const QwenGrid& grid : grids) {
    for (std::int64_t frame = 0; frame < grid.frames; ++frame) {
      each_patch(grid, merge, [&](std::int64_t row, std::int64_t column) {
        const AxisTaps<count> down = axis(row, grid.rows, side),
                              across = axis(column, grid.columns, side);
        for (std::size_t tap = 0; tap < count * count; ++tap) {
          indices[tap].push_back(down.at[tap / count] * side + across.at[tap % count]);
          weights[tap].push_back(down.share[tap / count] * across.share[tap % count]);
        }
      });
    }
  }
  PositionTaps taps;
  for (std::size_t tap = 0; tap < count * count; ++tap) {
    taps.indices.push_back(torch::tensor(indices[tap], torch::kInt64));
    taps.weights.push_back(torch::tensor(weights[tap], torch::kFloat32).unsqueeze(1));
  }
  return taps;
}

}  // namespace

std::vector<QwenGrid> qwen_grids(const std::vector<PictureFacts>& pictures, std::int64_t merge) {
  std::vector<QwenGrid> grids;
  for (const PictureFacts& picture : pictures) {
    TORCH_CHECK(picture.grid.size() == 3, "a picture's grid has frames, rows and columns");
    const QwenGrid grid{picture.grid[0], picture.grid[1], picture.grid[2]};
    TORCH_CHECK(grid.frames > 0 && grid.rows > 0 && grid.columns > 0 && grid.rows % merge == 0 &&
                    grid.columns % merge == 0,
                "a grid of ", grid.rows, " x ", grid.columns,
                " patches does not divide into blocks of ", merge);
    grids.push_back(grid);
  }
  return grids;
}

Tensor patch_coordinates(const std::vector<QwenGrid>& grids, std::int64_t merge) {
  std::vector<float> coordinates;
  for (const QwenGrid& grid : grids) {
    for (std::int64_t frame = 0; frame < grid.frames; ++frame) {
      each_patch(grid, merge, [&](std::int64_t row, std::int64_t column) {
        coordinates.push_back(static_cast<float>(row));
        coordinates.push_back(static_cast<float>(column));
      });
    }
  }
  return torch::tensor(coordinates, torch::kFloat32).view({-1, 2});
}

std::vector<std::int64_t> frame_lengths(const std::vector<QwenGrid>& grids) {
  std::vector<std::int64_t> lengths;
  for (const QwenGrid& grid : grids)
    lengths.insert(lengths.end(), static_cast<std::size_t>(grid.frames), grid.rows * grid.columns);
  return lengths;
}

WindowOrder window_order(const std::vector<QwenGrid>& grids, std::int64_t merge,
                         std::int64_t window) {
  const std::int64_t block = merge * merge;
  std::vector<std::int64_t> there, lengths;
  std::int64_t start = 0;  // of the frame, in blocks
  for (const QwenGrid& grid : grids) {
    const std::int64_t rows = grid.rows / merge, columns = grid.columns / merge;
    for (std::int64_t frame = 0; frame < grid.frames; ++frame, start += rows * columns) {
      for (std::int64_t top = 0; top < rows; top += window) {
        for (std::int64_t left = 0; left < columns; left += window) {
          const std::int64_t bottom = std::min(top + window, rows),
                             right = std::min(left + window, columns);
          for (std::int64_t row = top; row < bottom; ++row) {
            for (std::int64_t i = (start + row * columns + left) * block;
                 i < (start + row * columns + right) * block; ++i)
              there.push_back(i);
          }
          lengths.push_back((bottom - top) * (right - left) * block);
        }
      }
    }
  }
  std::vector<std::int64_t> back(there.size());
  for (std::size_t i = 0; i < there.size(); ++i)
    back[static_cast<std::size_t>(there[i])] = static_cast<std::int64_t>(i);
  return {torch::tensor(there, torch::kInt64), torch::tensor(back, torch::kInt64), lengths};
}

PositionTaps position_taps(const std::vector<QwenGrid>& grids, std::int64_t merge,
                           std::int64_t side) {
  return taps_of(grids, merge, side, axis_taps);
}

PositionTaps cubic_position_taps(const std::vector<QwenGrid>& grids, std::int64_t merge,
                                 std::int64_t side) {
  return taps_of(grids, merge, side, cubic_axis_taps);
}

MropePositions mrope_positions(const Tensor& ids, const std::vector<std::int64_t>& lengths,
                               const std::vector<QwenGrid>& grids, TokenId image_token,
                               TokenId film_token, std::int64_t merge) {
  const Tensor flat = ids.contiguous();
  const std::int64_t* id = flat.data_ptr<std::int64_t>();
  const std::int64_t tokens = flat.size(0);
  Tensor positions = torch::empty({3, tokens}, torch::kInt64);
  std::int64_t* axis[3];
  for (std::int64_t i = 0; i < 3; ++i) axis[i] = positions.data_ptr<std::int64_t>() + i * tokens;
  std::vector<std::int64_t> offsets;
  std::size_t picture = 0;
  std::int64_t at = 0;
  for (const std::int64_t length : lengths) {
    const std::int64_t end = at + length;
    std::int64_t next = 0;
    const auto place = [&](std::int64_t time, std::int64_t row, std::int64_t column) {
      axis[0][at] = time, axis[1][at] = row, axis[2][at] = column;
      ++at;
    };
    while (at < end) {
      if (id[at] != image_token && id[at] != film_token) {
        place(next, next, next);
        ++next;
        continue;
      }
      TORCH_CHECK(picture < grids.size(), "there are more image tokens than pictures");
      const QwenGrid& grid = grids[picture++];
      const std::int64_t rows = grid.rows / merge, columns = grid.columns / merge;
      TORCH_CHECK(grid.frames * rows * columns <= end - at,
                  "a picture has more features than its row has image tokens");
      for (std::int64_t frame = 0; frame < grid.frames; ++frame) {
        for (std::int64_t row = 0; row < rows; ++row) {
          for (std::int64_t column = 0; column < columns; ++column)
            place(next + frame * grid.step, next + row, next + column);
        }
      }
      next += std::max(rows, columns);
    }
    // A film's last frame may lie behind all text; what is decoded goes on from the text.
    offsets.push_back(next - length);
  }
  return {positions, torch::tensor(offsets, torch::kInt64)};
}

}  // namespace luthier
