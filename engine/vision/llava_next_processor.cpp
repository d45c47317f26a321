// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA-NeXT's and LLaVA-OneVision's processors: the one of image_grid_pinpoints that keeps most of
// the picture and wastes least, the picture fitted into it with black around, cut into tiles;
// before them the whole picture in one. Every tile is then resized and cropped as CLIP's pictures
// are. LLaVA-OneVision does so with a picture that is alone in its row; each of several is squared
// with the mean colour, and there are no tiles.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/pinpoints.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct LlavaNextPictureOptions {
  CommonSettings common;
  bool do_center_crop = false;
  Extent crop{};  ///< 0: there is none, and tiles are as high as `size` says
  std::vector<Extent> pinpoints;

  Framing framing() const {
    return {common.do_resize, do_center_crop, common.size, crop, common.resample};
  }
  std::int64_t tile() const {
    if (crop.height) return crop.height;
    return common.size.height ? common.size.height : common.size.shortest_edge;
  }
};

LlavaNextPictureOptions next_defaults() {
  LlavaNextPictureOptions options;
  options.do_center_crop = true;
  options.crop = {224, 224};
  options.common.size.shortest_edge = 224;
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  options.pinpoints = usual_pinpoints();
  return options;
}

LlavaNextPictureOptions onevision_defaults() {
  LlavaNextPictureOptions options;
  options.common.size.height = options.common.size.width = 384;
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  options.pinpoints = onevision_pinpoints();
  return options;
}

/// LLaVA-OneVision's of several pictures: a square of each.
class SquareProcessor : public ImageProcessor {
 public:
  explicit SquareProcessor(const LlavaNextPictureOptions& options)
      : mean_(options.common.mean), framing_(options.framing()), table_(options.common) {}

  Result<PixelValues> outline(int width, int height) const override {
    LUTHIER_CHECK(check_picture(width, height));
    if (width != height) LUTHIER_CHECK(check_squared({width, height}));
    const std::int64_t edge = std::max(width, height);
    LUTHIER_TRY(const Extent extent, framing_.extent({edge, edge}));
    return stacked(1, extent, {height, width});
  }
  Result<PixelValues> process(const Image& image) const override {
    LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
    const Image square = image.width == image.height ? Image{} : squared(image, mean_);
    LUTHIER_TRY(const Image framed, framing_.apply(square.width ? square : image));
    pixels.values.resize(static_cast<std::size_t>(3 * pixels.shape[2] * pixels.shape[3]));
    table_.write(framed, pixels.values.data());
    return pixels;
  }

 private:
  std::array<double, 3> mean_;
  Framing framing_;
  ByteTable table_;
};

class LlavaNextProcessor : public ImageProcessor {
 public:
  /// `several`: who takes the pictures of a row of several; null: this one.
  LlavaNextProcessor(const LlavaNextPictureOptions& options,
                     std::unique_ptr<const ImageProcessor> several)
      : options_(options),
        framing_(options.framing()),
        table_(options.common),
        whole_{options.common.size.width, options.common.size.height},
        tile_(options.tile()),
        several_(std::move(several)) {
    if (!whole_.width || !whole_.height)
      whole_.width = whole_.height = options.common.size.shortest_edge;
  }

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;
  const ImageProcessor& among(std::size_t pictures) const override {
    return several_ && pictures > 1 ? *several_ : *this;
  }

 private:
  std::vector<Region> tiles(Extent canvas) const;

  LlavaNextPictureOptions options_;
  Framing framing_;
  ByteTable table_;
  Extent whole_;
  std::int64_t tile_;
  std::unique_ptr<const ImageProcessor> several_;
};

// The picture's extent when it just fits into the canvas.
Extent fitted(Extent from, Extent canvas) {
  const double width = static_cast<double>(from.width), height = static_cast<double>(from.height);
  const double across = static_cast<double>(canvas.width) / width,
               down = static_cast<double>(canvas.height) / height;
  if (across < down)
    return {canvas.width,
            std::min(static_cast<std::int64_t>(std::ceil(height * across)), canvas.height)};
  return {std::min(static_cast<std::int64_t>(std::ceil(width * down)), canvas.width),
          canvas.height};
}

// Row by row; the last of a row or column may be smaller.
std::vector<Region> LlavaNextProcessor::tiles(Extent canvas) const {
  std::vector<Region> regions;
  for (std::int64_t top = 0; top < canvas.height; top += tile_)
    for (std::int64_t left = 0; left < canvas.width; left += tile_)
      regions.push_back({static_cast<int>(left), static_cast<int>(top),
                         static_cast<int>(std::min(tile_, canvas.width - left)),
                         static_cast<int>(std::min(tile_, canvas.height - top))});
  return regions;
}

Result<PixelValues> LlavaNextProcessor::outline(int width, int height) const {
  LUTHIER_CHECK(check_picture(width, height));
  const Extent canvas = best_resolution(options_.pinpoints, {width, height});
  const std::int64_t count =
      ((canvas.width + tile_ - 1) / tile_) * ((canvas.height + tile_ - 1) / tile_) + 1;
  LUTHIER_CHECK(check_resized({width, height}, whole_));
  LUTHIER_TRY(const Extent frame, framing_.extent(whole_));
  LUTHIER_TRY(PixelValues pixels, stacked(count, frame, {height, width}));
  for (const Region& region : tiles(canvas)) {
    LUTHIER_TRY(const Extent extent, framing_.extent({region.width, region.height}));
    if (extent != frame)
      return input_error("The tiles of one picture come out at " + std::to_string(frame.width) +
                             " x " + std::to_string(frame.height) + " and " +
                             std::to_string(extent.width) + " x " + std::to_string(extent.height) +
                             " pixels.",
                         {},
                         "In the picture processor's settings, size, crop_size and "
                         "image_grid_pinpoints do not belong together.");
  }
  return pixels;
}

Result<PixelValues> LlavaNextProcessor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const Resample filter = options_.common.resample;
  const std::size_t length = static_cast<std::size_t>(3 * pixels.shape[2] * pixels.shape[3]);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0]) * length);
  float* out = pixels.values.data();
  const auto add = [&](const Image& tile) -> Status {
    LUTHIER_TRY(const Image framed, framing_.apply(tile));
    table_.write(framed, out);
    out += length;
    return {};
  };
  LUTHIER_CHECK(add(resize_to(image, whole_, filter)));
  const Extent canvas = best_resolution(options_.pinpoints, {image.width, image.height});
  const Image padded = centred(
      resize_to(image, fitted({image.width, image.height}, canvas), filter), canvas, {0, 0, 0});
  for (const Region& region : tiles(canvas)) LUTHIER_CHECK(add(cut(padded, region)));
  return pixels;
}

Status read_options(const Json& config, const std::string& where, const PixelLimits& limits,
                    LlavaNextPictureOptions& options) {
  LUTHIER_CHECK(refuse_limits(limits));
  LUTHIER_CHECK(read_common(config, where, options.common));
  LUTHIER_CHECK(read_resize_size(config, where, options.common));
  const Size& size = options.common.size;
  if (!size.shortest_edge && !(size.height && size.width))
    return input_error("The size must have shortest_edge, or height and width.", where + ": size");
  LUTHIER_TRY(options.do_center_crop,
              json_bool(config, "do_center_crop", where, options.do_center_crop));
  if (present(config, "crop_size")) {
    LUTHIER_TRY(options.crop, read_extent(config["crop_size"], where + ": crop_size"));
  }
  if (options.do_center_crop && !options.crop.width)
    return input_error("do_center_crop is on, but there is no crop_size.", where + ": crop_size");
  return read_pinpoints(config, where, options.pinpoints);
}

}  // namespace

MadeProcessor create_llava_next_processor(const Json& config, const std::string& where,
                                          const PixelLimits& limits) {
  LlavaNextPictureOptions options = next_defaults();
  LUTHIER_CHECK(read_options(config, where, limits, options));
  return std::unique_ptr<ImageProcessor>(std::make_unique<LlavaNextProcessor>(options, nullptr));
}

MadeProcessor create_llava_onevision_processor(const Json& config, const std::string& where,
                                               const PixelLimits& limits) {
  LlavaNextPictureOptions options = onevision_defaults();
  LUTHIER_CHECK(read_options(config, where, limits, options));
  if (!options.common.do_resize && !options.do_center_crop)
    return input_error("Without a resize or a crop each of several pictures keeps its own size.",
                       where + ": do_resize");
  return std::unique_ptr<ImageProcessor>(std::make_unique<LlavaNextProcessor>(
      options, std::make_unique<const SquareProcessor>(options)));
}

}  // namespace luthier::detail
