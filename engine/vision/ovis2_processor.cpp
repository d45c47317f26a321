// SPDX-License-Identifier: GPL-3.0-or-later
// Ovis 2's processor: with crop_to_patches, the fewest tiles that cover enough of the picture (or
// the arrangement nearest to its proportions), the picture stretched over them, and before the
// tiles a small one of the whole; otherwise the picture in one size.
#include "engine/vision/arrangements.h"
#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct Ovis2Settings {
  CommonSettings common;
  bool crop_to_patches = false, covering = true;
  std::int64_t min_patches = 1, max_patches = 12;
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
    if (tiled())
      arrangements_ =
          arrangements(settings.covering ? 1 : settings.min_patches, settings.max_patches);
  }

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  bool tiled() const { return settings_.crop_to_patches && settings_.max_patches > 1; }
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
  if (!tiled()) {
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
  if (!tiled()) {
    LUTHIER_TRY(const Image framed, framing_.apply(image));
    table_.write(framed, out);
    return pixels;
  }
  const Resample filter = settings_.common.resample;
  if (pixels.shape[0] > 1) {
    table_.write(resize_to(image, tile_, filter), out);
    out += length;
  }
  const std::int64_t rows = pixels.grid[0], columns = pixels.grid[1];
  const int width = static_cast<int>(tile_.width), height = static_cast<int>(tile_.height);
  const Image canvas = resize_to(image, {tile_.width * columns, tile_.height * rows}, filter);
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column, out += length)
      table_.write(canvas, {column * width, row * height, width, height}, out);
  return pixels;
}

}  // namespace

MadeProcessor create_ovis2_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  Ovis2Settings settings;
  settings.common.number_is_square = true;
  settings.common.size.height = settings.common.size.width = 384;
  settings.common.mean = kClipMean;
  settings.common.std = kClipStd;
  LUTHIER_CHECK(read_common(config, where, settings.common));
  LUTHIER_CHECK(read_resize_size(config, where, settings.common));
  LUTHIER_TRY(const bool cropped, json_bool(config, "do_center_crop", where, false));
  if (cropped)
    return input_error("This processor's pictures are not cropped.", where + ": do_center_crop");
  LUTHIER_TRY(settings.crop_to_patches,
              json_bool(config, "crop_to_patches", where, settings.crop_to_patches));
  LUTHIER_TRY(settings.covering,
              json_bool(config, "use_covering_area_grid", where, settings.covering));
  LUTHIER_TRY(settings.min_patches,
              json_int_in(config, "min_patches", where, settings.min_patches, 0, kMaxTiles));
  LUTHIER_TRY(settings.max_patches,
              json_int_in(config, "max_patches", where, settings.max_patches, 0, kMaxTiles - 1));
  const Size& size = settings.common.size;
  if (settings.crop_to_patches && !(size.height && size.width))
    return input_error("crop_to_patches needs a size with height and width.", where + ": size");
  return std::unique_ptr<ImageProcessor>(std::make_unique<Ovis2Processor>(settings));
}

}  // namespace luthier::detail
