// SPDX-License-Identifier: GPL-3.0-or-later
// How Phi-4-multimodal's pictures lie on their squares: which patches of a frame show something,
// which others are made beside them, what they are pooled to, and in which order the text has that.
// Arithmetic alone, for the processor's counts and for the model's gathers.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/models/siglip2/naflex_grid.h"

namespace luthier {

/// A frame is the whole picture or a square of it. The patches that show something are the first
/// ones of the first rows.
struct Phi4Cut {
  std::int64_t side = 0;  ///< patches along either side of a frame

  /// Features along a full frame: two by two patches are one, and an odd last one is pooled with
  /// the one before it.
  std::int64_t pooled() const { return pooled(side); }
  static std::int64_t pooled(std::int64_t shown) { return (shown + 1) / 2; }
  /// Patches along an axis that features are pooled of: those that show something, and one behind
  /// an odd number of them, where the frame has one.
  std::int64_t made(std::int64_t shown) const { return shown < side ? shown + shown % 2 : shown; }

  /// Patches that show something, of each frame of a picture: the whole's, then the squares' row by
  /// row. An exception where `grid` is none that the processor makes.
  std::vector<PatchGrid> frames(const std::vector<std::int64_t>& grid) const;
  /// Features of a whole picture's squares, as lines of the text.
  PatchGrid lines(const std::vector<std::int64_t>& grid) const;
  /// Features of all frames, and the tokens that these come to with a separator behind each line
  /// and one between squares and whole.
  std::int64_t features(const std::vector<std::int64_t>& grid) const;
  std::int64_t tokens(const std::vector<std::int64_t>& grid) const;
  /// A picture's tokens as features, which begin at `first`; `line`, `view`: where separators of
  /// lines and of both views are.
  void add_order(const std::vector<std::int64_t>& grid, std::int64_t first, std::int64_t line,
                 std::int64_t view, std::vector<std::int64_t>& order) const;
};

}  // namespace luthier
