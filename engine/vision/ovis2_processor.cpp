// SPDX-License-Identifier: GPL-3.0-or-later
// Ovis 2's processor: with crop_to_patches, the fewest tiles that cover enough of the picture (or
// the arrangement nearest to its proportions), the picture stretched over them, and before the
// tiles a small one of the whole; otherwise the picture in one size.
#include "engine/vision/processors.h"
#include "engine/vision/tiles.h"

namespace luthier::detail {

namespace {

struct Ovis2Settings {
  CommonSettings common;
  TileSettings tiles;
  bool covering = true;
};

class Ovis2Processor : public ImageProcessor {
 public:
  explicit Ovis2Processor(const Ovis2Settings& settings)
      : settings_(settings),
        framing_{
            settings.common.do_resize, false, settings.common.size, {}, settings.common.resample},
        table_(settings.common),
        tile_{settings.common.size.width, settings.common.size.height} {
    // Where tiles are to cover the picture there is no least number of them.
    const TileSettings& tiles = settings.tiles;
    if (tiles.tiled())
      arrangements_ = arrangements(settings.covering ? 1 : tiles.min_patches, tiles.max_patches);
  }

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Arrangement arrange(Extent from) const {
    return settings_.covering ? covering_arrangement(arrangements_, from, tile_.height)
                              : nearest_arrangement(arrangements_, from, tile_);
  }

  Ovis2Settings settings_;
  Framing framing_;
  ByteTable table_;
  Extent tile_;
  std::vector<Arrangement> arrangements_;
};

Result<PixelValues> Ovis2Processor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  if (!settings_.tiles.tiled()) {
    LUTHIER_TRY(const Extent frame, framing_.extent({width, height}));
    return stacked(1, frame, {1, 1});
  }
  const Arrangement grid = arrange({width, height});
  LUTHIER_CHECK(
      check_resized({width, height}, {tile_.width * grid.columns, tile_.height * grid.rows}));
  const std::int64_t tiles = grid.columns * grid.rows;
  return stacked(tiles + (tiles == 1 ? 0 : 1), tile_, {grid.rows, grid.columns});
}

Result<PixelValues> Ovis2Processor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const auto length = static_cast<std::size_t>(3 * pixels.shape[2] * pixels.shape[3]);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0]) * length);
  float* out = pixels.values.data();
  if (!settings_.tiles.tiled()) {
    LUTHIER_TRY(const Image framed, framing_.apply(image));
    table_.write(framed, out);
    return pixels;
  }
  const Resample filter = settings_.common.resample;
  if (pixels.shape[0] > 1) {
    table_.write(resize_to(image, tile_, filter), out);
    out += length;
  }
  const Arrangement grid{pixels.grid[1], pixels.grid[0]};
  const Extent canvas{tile_.width * grid.columns, tile_.height * grid.rows};
  write_tiles(table_, resize_to(image, canvas, filter), tile_, grid, out);
  return pixels;
}

}  // namespace

MadeProcessor create_ovis2_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  Ovis2Settings settings;
  LUTHIER_CHECK(read_tiled_pictures(config, where, settings.common, settings.tiles));
  LUTHIER_TRY(const bool cropped, json_bool(config, "do_center_crop", where, false));
  if (cropped)
    return input_error("This processor's pictures are not cropped.", where + ": do_center_crop");
  LUTHIER_TRY(settings.covering,
              json_bool(config, "use_covering_area_grid", where, settings.covering));
  return std::unique_ptr<ImageProcessor>(std::make_unique<Ovis2Processor>(settings));
}

}  // namespace luthier::detail
