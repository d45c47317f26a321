// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/tiles.h"

namespace luthier::detail {

Status read_tile_settings(const Json& config, const std::string& where, std::int64_t most,
                          TileSettings& settings) {
  LUTHIER_TRY(settings.crop_to_patches,
              json_bool(config, "crop_to_patches", where, settings.crop_to_patches));
  LUTHIER_TRY(settings.min_patches,
              json_int_in(config, "min_patches", where, settings.min_patches, 0, kMaxTiles));
  LUTHIER_TRY(settings.max_patches,
              json_int_in(config, "max_patches", where, settings.max_patches, 0, most));
  return {};
}

Status read_tiled_pictures(const Json& config, const std::string& where, CommonSettings& common,
                           TileSettings& tiles) {
  common.number_is_square = true;
  common.size.height = common.size.width = 384;
  common.mean = kClipMean;
  common.std = kClipStd;
  LUTHIER_CHECK(read_common(config, where, common));
  LUTHIER_CHECK(read_resize_size(config, where, common));
  // The picture of the whole is one tile more.
  LUTHIER_CHECK(read_tile_settings(config, where, kMaxTiles - 1, tiles));
  if (tiles.crop_to_patches && !(common.size.height && common.size.width))
    return input_error("crop_to_patches needs a size with height and width.", where + ": size");
  return {};
}

float* write_tiles(const ByteTable& table, const Image& canvas, Extent tile,
                   const Arrangement& grid, float* out) {
  const int width = static_cast<int>(tile.width), height = static_cast<int>(tile.height);
  for (int row = 0; row < grid.rows; ++row) {
    for (int column = 0; column < grid.columns; ++column) {
      table.write(canvas, {column * width, row * height, width, height}, out);
      out += 3 * tile.width * tile.height;
    }
  }
  return out;
}

}  // namespace luthier::detail
