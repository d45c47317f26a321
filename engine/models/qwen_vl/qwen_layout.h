// SPDX-License-Identifier: GPL-3.0-or-later
// Where the patches of Qwen-VL's pictures lie, as arithmetic on grids: their rows and columns,
// windows, places in a learned grid of positions, and the three position axes of the text around
// them (M-RoPE, Wang et al. 2024). Patches come block after block: the merge × merge patches of one
// token together.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/model_input.h"

namespace luthier {

struct QwenGrid {
  std::int64_t frames = 1, rows = 0, columns = 0;  ///< in patches
  std::int64_t step = 1;                           ///< in the text's time axis, from frame to frame
};
/// Of {frames, rows, columns} as the picture processor gives them; throws where a grid does not
/// divide into blocks.
std::vector<QwenGrid> qwen_grids(const std::vector<PictureFacts>& pictures, std::int64_t merge);

/// Row and column of every patch: [patches, 2] float32.
torch::Tensor patch_coordinates(const std::vector<QwenGrid>& grids, std::int64_t merge);
/// Patches of each frame, which see one another.
std::vector<std::int64_t> frame_lengths(const std::vector<QwenGrid>& grids);

/// Patches brought together window by window, a window being `window` × `window` blocks from the
/// picture's corner on, smaller at its far edges.
struct WindowOrder {
  torch::Tensor there, back;          ///< [patches] int64: the gather, and the one that undoes it
  std::vector<std::int64_t> lengths;  ///< patches of each window
};
WindowOrder window_order(const std::vector<QwenGrid>& grids, std::int64_t merge,
                         std::int64_t window);

/// Neighbours of every patch in a learned grid of `side` × `side` positions, and their shares.
struct PositionTaps {
  std::vector<torch::Tensor> indices;  ///< [patches] int64
  std::vector<torch::Tensor> weights;  ///< [patches, 1] float32
};
/// Four each: the grid is stretched over the picture corner to corner.
PositionTaps position_taps(const std::vector<QwenGrid>& grids, std::int64_t merge,
                           std::int64_t side);

/// Sixteen each: the grid's cells are stretched over the picture's, and cubic curves through their
/// middles (with a = -0.75, as torch's grid_sample) say what is between; beyond the last middle its
/// value goes on.
PositionTaps cubic_position_taps(const std::vector<QwenGrid>& grids, std::int64_t merge,
                                 std::int64_t side);

struct MropePositions {
  torch::Tensor positions;  ///< [3, tokens] int64: time, row, column
  torch::Tensor offsets;    ///< [rows] int64: how far a row's next position is ahead of its length
};
/// `ids` [tokens] int64 on the CPU. Text counts on in all three axes; a picture holds time and
/// counts rows and columns from there; text goes on after the longer of both. A film's frames are
/// `step` apart in time. Throws where the grids do not fit the tokens of pictures and films
/// (`film_token`; −1: there are none).
MropePositions mrope_positions(const torch::Tensor& ids, const std::vector<std::int64_t>& lengths,
                               const std::vector<QwenGrid>& grids, TokenId image_token,
                               TokenId film_token, std::int64_t merge);

}  // namespace luthier
