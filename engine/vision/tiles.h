// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures laid over tiles: the settings by which folders ask for them, and the tiles cut from a
// stretched picture. Internal to the vision room.
#pragma once

#include "engine/vision/arrangements.h"
#include "engine/vision/frames.h"

namespace luthier::detail {

struct TileSettings {
  bool crop_to_patches = false;
  std::int64_t min_patches = 1, max_patches = 12;

  /// A picture may become more than one tile.
  bool tiled() const { return crop_to_patches && max_patches > 1; }
};
/// What `settings` holds is the default where a key is absent; max_patches is `most` at the most.
Status read_tile_settings(const Json& config, const std::string& where, std::int64_t most,
                          TileSettings& settings);

/// What GOT-OCR2's and Ovis 2's folders share: the pictures' size (384 × 384, CLIP's mean where
/// nothing else is said) and their tiles, which need a size of a height and a width.
Status read_tiled_pictures(const Json& config, const std::string& where, CommonSettings& common,
                           TileSettings& tiles);

/// The canvas cut into tiles, row by row, each as [3, height, width]. Returns where they end.
float* write_tiles(const ByteTable& table, const Image& canvas, Extent tile,
                   const Arrangement& grid, float* out);

}  // namespace luthier::detail
