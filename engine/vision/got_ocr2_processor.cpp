// SPDX-License-Identifier: GPL-3.0-or-later
// GOT-OCR2's processor, which InternVL's folders have: with crop_to_patches, the arrangement of
// tiles whose proportions are nearest to the picture's, the picture stretched over it, and after
// the tiles a thumbnail of the whole; otherwise the picture in one size.
#include "engine/vision/processors.h"
#include "engine/vision/tiles.h"

namespace luthier::detail {

namespace {

struct GotOcr2Options {
  CommonSettings common;
  TileSettings tiles;
};

class GotOcr2Processor : public ImageProcessor {
 public:
  explicit GotOcr2Processor(const GotOcr2Options& options);

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Arrangement arrange(Extent from) const { return nearest_arrangement(arrangements_, from, tile_); }

  GotOcr2Options options_;
  Framing framing_;
  ByteTable table_;
  Extent tile_;
  std::vector<Arrangement> arrangements_;
};

GotOcr2Processor::GotOcr2Processor(const GotOcr2Options& options)
    : options_(options),
      framing_{options.common.do_resize, false, options.common.size, {}, options.common.resample},
      table_(options.common),
      tile_{options.common.size.width, options.common.size.height} {
  if (options_.tiles.tiled())
    arrangements_ = arrangements(options_.tiles.min_patches, options_.tiles.max_patches);
}

Result<PixelValues> GotOcr2Processor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  if (!options_.tiles.tiled()) {
    LUTHIER_TRY(const Extent frame, framing_.extent({width, height}));
    return stacked(1, frame, {1});
  }
  const Arrangement grid = arrange({width, height});
  LUTHIER_CHECK(
      check_resized({width, height}, {tile_.width * grid.columns, tile_.height * grid.rows}));
  const std::int64_t tiles = grid.columns * grid.rows, count = tiles + (tiles == 1 ? 0 : 1);
  return stacked(count, tile_, {count});
}

Result<PixelValues> GotOcr2Processor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const std::size_t length = static_cast<std::size_t>(3 * pixels.shape[2] * pixels.shape[3]);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0]) * length);
  float* out = pixels.values.data();
  if (!options_.tiles.tiled()) {
    LUTHIER_TRY(const Image framed, framing_.apply(image));
    table_.write(framed, out);
    return pixels;
  }
  const Arrangement grid = arrange({image.width, image.height});
  const Image canvas = resize_to(image, {tile_.width * grid.columns, tile_.height * grid.rows},
                                 options_.common.resample);
  out = write_tiles(table_, canvas, tile_, grid, out);
  if (pixels.shape[0] > 1) table_.write(resize_to(image, tile_, options_.common.resample), out);
  return pixels;
}

}  // namespace

MadeProcessor create_got_ocr2_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  GotOcr2Options options;
  LUTHIER_CHECK(read_tiled_pictures(config, where, options.common, options.tiles));
  return std::unique_ptr<ImageProcessor>(std::make_unique<GotOcr2Processor>(options));
}

}  // namespace luthier::detail
