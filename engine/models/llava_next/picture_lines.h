// SPDX-License-Identifier: GPL-3.0-or-later
// How LLaVA-NeXT and LLaVA-OneVision lay a picture's features out in the text: those of the whole
// picture, then lines across its tiles without the padding, each closed by one learned vector.
// Arithmetic alone, for the processor's counts and for the model's gathers.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/vision/processor_settings.h"

namespace luthier {

/// What is left of tiles' features, rows × columns, when a picture's padding is taken out: lines
/// `top`… of `rows`, from `left` on `columns`.
struct Unpadded {
  std::int64_t rows = 0, columns = 0, top = 0, left = 0;
  std::int64_t features() const { return rows * (columns + 1); }  ///< each line and its end
};
Unpadded unpad(detail::Extent picture, std::int64_t rows, std::int64_t columns);

/// How pictures are cut and laid out; the model's config says it.
struct PictureCut {
  std::vector<detail::Extent> pinpoints;  ///< each of whole tiles
  std::int64_t tile = 0;                  ///< a tile's edge in pixels
  std::int64_t side = 0;                  ///< and in features
  /// LLaVA-OneVision's N of anyres_max_N: lines of more than 1.21 N tiles' features are shrunk to
  /// about that many, and each of several pictures in a row has one frame alone. 0: LLaVA-NeXT.
  std::int64_t most_tiles = 0;
};

/// One picture's features in the text.
struct PictureLines {
  std::int64_t base = 0;  ///< features of one frame: side × side
  std::int64_t side = 0, down = 0, across = 0;
  Unpadded kept;                       ///< of the tiles
  std::int64_t rows = 0, columns = 0;  ///< of the lines in the text: those kept, or shrunk

  bool tiled() const { return down > 0; }
  bool shrunk() const { return rows != kept.rows || columns != kept.columns; }
  std::int64_t frames() const { return 1 + down * across; }
  /// Of a picture without tiles: its features and one end.
  std::int64_t tokens() const { return base + (tiled() ? rows * (columns + 1) : 1); }
};
/// `frames`: of this picture; `height_width`: its own size.
PictureLines picture_lines(const PictureCut& cut, std::int64_t frames,
                           const std::vector<std::int64_t>& height_width);

/// LLaVA-OneVision's films: each frame is one tile, its features brought to half a side, and one
/// end closes them all.
std::int64_t film_side(const PictureCut& cut);
std::int64_t film_tokens(const PictureCut& cut, std::int64_t frames);

/// A feature of a shrunk line lies between two of the line that it was made of.
struct Between {
  std::int64_t first = 0, second = 0;
  float share = 0;  ///< of the second
};
/// `in` features brought to `out` as torch's bilinear interpolate does along one axis, without
/// align_corners and antialias.
std::vector<Between> betweens(std::int64_t in, std::int64_t out);

}  // namespace luthier
