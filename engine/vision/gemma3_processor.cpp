// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 3's processor: the picture stretched to one size; with do_pan_and_scan, a picture much
// longer than wide is also cut into a row or column of crops, each stretched the same way, after
// the whole.
#include <algorithm>
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct Gemma3PictureOptions {
  CommonSettings common;
  bool pan_and_scan = false;
  std::int64_t min_crop_size = 256, max_crops = 4;
  double min_ratio = 1.2;
};

class Gemma3Processor : public ImageProcessor {
 public:
  explicit Gemma3Processor(const Gemma3PictureOptions& options)
      : options_(options),
        framing_{options.common.do_resize, false, options.common.size, {}, options.common.resample},
        table_(options.common) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  /// The crops of a picture, which may be none.
  Result<std::vector<Region>> crops(Extent from) const;
  Result<PixelValues> outline(Extent from, const std::vector<Region>& regions) const;

  Gemma3PictureOptions options_;
  Framing framing_;
  ByteTable table_;
};

Result<std::vector<Region>> Gemma3Processor::crops(Extent from) const {
  std::vector<Region> regions;
  if (!options_.pan_and_scan) return regions;
  const bool wide = from.width >= from.height;
  const std::int64_t longer = wide ? from.width : from.height,
                     shorter = wide ? from.height : from.width;
  const double ratio = static_cast<double>(longer) / static_cast<double>(shorter);
  if (ratio < options_.min_ratio) return regions;
  std::int64_t count =
      std::min(longer / options_.min_crop_size, static_cast<std::int64_t>(std::floor(ratio + 0.5)));
  count = std::min(options_.max_crops, std::max<std::int64_t>(2, count));
  const std::int64_t length = (longer + count - 1) / count;
  if (std::min(length, shorter) < options_.min_crop_size) return regions;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t start = length * i, kept = std::min(length, longer - start);
    if (kept <= 0)
      return input_error(
          "The picture of " + std::to_string(from.width) + " x " + std::to_string(from.height) +
              " pixels cannot be cut into " + std::to_string(count) + " crops of " +
              std::to_string(length) + ".",
          {}, "pan_and_scan_min_crop_size is too small in the picture processor's settings.");
    const int at = static_cast<int>(start), extent = static_cast<int>(kept),
              other = static_cast<int>(shorter);
    regions.push_back(wide ? Region{at, 0, extent, other} : Region{0, at, other, extent});
  }
  return regions;
}

Result<PixelValues> Gemma3Processor::outline(Extent from,
                                             const std::vector<Region>& regions) const {
  LUTHIER_TRY(const Extent frame, framing_.extent(from));
  for (const Region& region : regions) {
    LUTHIER_TRY(const Extent extent, framing_.extent({region.width, region.height}));
    if (extent != frame)
      return input_error(
          "With do_pan_and_scan, pictures must be resized to one height and width.", {},
          "Set do_resize, and height and width as size, in the picture processor's settings.");
  }
  const std::int64_t count = static_cast<std::int64_t>(regions.size());
  return stacked(1 + count, frame, {count});
}

Result<PixelValues> Gemma3Processor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  LUTHIER_TRY(const std::vector<Region> regions, crops({width, height}));
  return outline({width, height}, regions);
}

Result<PixelValues> Gemma3Processor::process(const Image& image) const {
  LUTHIER_CHECK(check_picture(image.width, image.height));
  LUTHIER_TRY(const std::vector<Region> regions, crops({image.width, image.height}));
  LUTHIER_TRY(PixelValues pixels, outline({image.width, image.height}, regions));
  const std::size_t length = static_cast<std::size_t>(3 * pixels.shape[2] * pixels.shape[3]);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0]) * length);
  float* out = pixels.values.data();
  LUTHIER_TRY(const Image whole, framing_.apply(image));
  table_.write(whole, out);
  for (const Region& region : regions) {
    LUTHIER_TRY(const Image framed, framing_.apply(cut(image, region)));
    table_.write(framed, out += length);
  }
  return pixels;
}

}  // namespace

MadeProcessor create_gemma3_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  Gemma3PictureOptions options;
  options.common.number_is_square = true;
  options.common.resample = Resample::Bilinear;
  options.common.size.height = options.common.size.width = 224;
  options.common.mean = options.common.std = kHalves;
  LUTHIER_CHECK(read_common(config, where, options.common));
  LUTHIER_CHECK(read_resize_size(config, where, options.common));
  LUTHIER_TRY(options.pan_and_scan,
              json_bool(config, "do_pan_and_scan", where, options.pan_and_scan));
  LUTHIER_TRY(options.min_crop_size, json_int_in(config, "pan_and_scan_min_crop_size", where,
                                                 options.min_crop_size, 1, kMaxPictureEdge));
  LUTHIER_TRY(options.max_crops, json_int_in(config, "pan_and_scan_max_num_crops", where,
                                             options.max_crops, 1, kMaxTiles - 1));
  LUTHIER_TRY(options.min_ratio,
              json_number(config, "pan_and_scan_min_ratio_to_activate", where, options.min_ratio));
  return std::unique_ptr<ImageProcessor>(std::make_unique<Gemma3Processor>(options));
}

}  // namespace luthier::detail
