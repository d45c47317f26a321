// SPDX-License-Identifier: GPL-3.0-or-later
// GOT-OCR2's processor, which InternVL's folders have: with crop_to_patches, the arrangement of
// tiles whose proportions are nearest to the picture's, the picture stretched over it, and after
// the tiles a thumbnail of the whole; otherwise the picture in one size.
#include "engine/vision/arrangements.h"
#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct GotOcr2Options {
  CommonSettings common;
  bool crop_to_patches = false;
  std::int64_t min_patches = 1, max_patches = 12;
};

class GotOcr2Processor : public ImageProcessor {
 public:
  explicit GotOcr2Processor(const GotOcr2Options& options);

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  bool tiled() const { return options_.crop_to_patches && options_.max_patches > 1; }
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
  if (tiled()) arrangements_ = arrangements(options_.min_patches, options_.max_patches);
}

Result<PixelValues> GotOcr2Processor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  if (!tiled()) {
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
  if (!tiled()) {
    LUTHIER_TRY(const Image framed, framing_.apply(image));
    table_.write(framed, out);
    return pixels;
  }
  const Arrangement grid = arrange({image.width, image.height});
  const int width = static_cast<int>(tile_.width), height = static_cast<int>(tile_.height);
  const Image canvas = resize_to(image, {tile_.width * grid.columns, tile_.height * grid.rows},
                                 options_.common.resample);
  for (int row = 0; row < grid.rows; ++row)
    for (int column = 0; column < grid.columns; ++column, out += length)
      table_.write(canvas, {column * width, row * height, width, height}, out);
  if (pixels.shape[0] > 1) table_.write(resize_to(image, tile_, options_.common.resample), out);
  return pixels;
}

}  // namespace

MadeProcessor create_got_ocr2_processor(const Json& config, const std::string& where,
                                        const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  GotOcr2Options options;
  options.common.number_is_square = true;
  options.common.size.height = options.common.size.width = 384;
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  LUTHIER_CHECK(read_common(config, where, options.common));
  LUTHIER_CHECK(read_resize_size(config, where, options.common));
  LUTHIER_TRY(options.crop_to_patches,
              json_bool(config, "crop_to_patches", where, options.crop_to_patches));
  LUTHIER_TRY(options.min_patches,
              json_int_in(config, "min_patches", where, options.min_patches, 0, kMaxTiles));
  LUTHIER_TRY(options.max_patches,
              json_int_in(config, "max_patches", where, options.max_patches, 0, kMaxTiles - 1));
  if (options.crop_to_patches && !(options.common.size.height && options.common.size.width))
    return input_error("crop_to_patches needs a size with height and width.", where + ": size");
  return std::unique_ptr<ImageProcessor>(std::make_unique<GotOcr2Processor>(options));
}

}  // namespace luthier::detail
