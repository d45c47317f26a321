// SPDX-License-Identifier: GPL-3.0-or-later
// Fuyu's processor, as FuyuImageProcessor of transformers 5.17 and its row of patches
// (FuyuProcessor): a picture that is larger than a frame is made smaller until it fits, none is
// made larger; right and below it bytes of one value, so that whole patches cover it; then flat
// patches, row by row, channels innermost.
#include <algorithm>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct FuyuOptions {
  CommonSettings common;
  bool pads = true;
  std::int64_t patch = 30;
  std::uint8_t filler = 1;  // before it is rescaled
};

class FuyuImages : public ImageProcessor {
 public:
  explicit FuyuImages(const FuyuOptions& options) : options_(options), table_(options.common) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Result<Extent> fitted(Extent from) const;
  Result<Extent> covered(Extent picture) const;

  FuyuOptions options_;
  ByteTable table_;
};

/// What becomes of the picture itself.
Result<Extent> FuyuImages::fitted(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  const Size& most = options_.common.size;
  if (!options_.common.do_resize || (from.width <= most.width && from.height <= most.height))
    return from;
  const double scale = std::min(static_cast<double>(most.height) / static_cast<double>(from.height),
                                static_cast<double>(most.width) / static_cast<double>(from.width));
  const auto side = [scale](std::int64_t whole) {
    return static_cast<std::int64_t>(static_cast<double>(whole) * scale);
  };
  const Extent to{side(from.width), side(from.height)};
  LUTHIER_CHECK(check_resized(from, to));
  return to;
}

/// What the patches cover.
Result<Extent> FuyuImages::covered(Extent picture) const {
  const Size& most = options_.common.size;
  const bool larger = picture.width > most.width || picture.height > most.height,
             smaller = picture.width < most.width || picture.height < most.height;
  if (options_.pads && larger && smaller)
    return input_error("The picture of " + std::to_string(picture.width) + " x " +
                           std::to_string(picture.height) +
                           " pixels does not fit into the size, and do_resize is off.",
                       {}, "Make it smaller, or set do_resize to true.");
  const Extent frame = options_.pads && smaller ? Extent{most.width, most.height} : picture;
  const auto whole = [this](std::int64_t side, std::int64_t room) {
    return std::min(room, (side + options_.patch - 1) / options_.patch * options_.patch);
  };
  const Extent to{whole(picture.width, frame.width), whole(picture.height, frame.height)};
  if (to.width % options_.patch != 0 || to.height % options_.patch != 0)
    return input_error("The picture comes to " + std::to_string(to.width) + " x " +
                           std::to_string(to.height) + " pixels, which patches of " +
                           std::to_string(options_.patch) + " do not divide.",
                       {},
                       "The picture processor's size must be a multiple of its patch_size, and "
                       "do_pad be on.");
  return to;
}

Result<PixelValues> FuyuImages::outline(int width, int height) const {
  LUTHIER_TRY(const Extent picture, fitted({width, height}));
  LUTHIER_TRY(const Extent frame, covered(picture));
  const std::int64_t rows = frame.height / options_.patch, columns = frame.width / options_.patch,
                     length = 3 * options_.patch * options_.patch;
  LUTHIER_CHECK(check_patches(rows * columns, length));
  return PixelValues{{}, {rows * columns, length}, {1, rows, columns}};
}

Result<PixelValues> FuyuImages::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  LUTHIER_TRY(const Extent extent, fitted({image.width, image.height}));
  const Image view = extent == Extent{image.width, image.height}
                         ? image
                         : resize_to(image, extent, options_.common.resample);
  const std::int64_t patch = options_.patch, columns = pixels.grid[2];
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
  float* out = pixels.values.data();
  for (std::int64_t index = 0; index < pixels.shape[0]; ++index) {
    const std::int64_t top = index / columns * patch, left = index % columns * patch;
    for (std::int64_t y = top; y < top + patch; ++y)
      for (std::int64_t x = left; x < left + patch; ++x, out += 3) {
        const bool within = y < view.height && x < view.width;
        const std::size_t at = static_cast<std::size_t>((y * view.width + x) * 3);
        for (std::size_t channel = 0; channel < 3; ++channel)
          out[channel] = table_.channel(channel)[within ? view.rgb[at + channel] : options_.filler];
      }
  }
  return pixels;
}

}  // namespace

MadeProcessor create_fuyu_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits) {
  if (limits.any())
    return input_error(
        "This model's processor bounds a picture's edges, so it has no pixel limits to change.",
        "image.min_pixels, image.max_pixels",
        "Leave both null, or set the size in the picture processor's settings.");
  FuyuOptions options;
  options.common.size.height = 1080, options.common.size.width = 1920;
  options.common.resample = Resample::Bilinear;
  options.common.mean = options.common.std = kHalves;
  LUTHIER_CHECK(read_common(config, where, options.common));
  if (present(config, "size")) {
    LUTHIER_TRY(const Extent size, read_extent(config["size"], where + ": size"));
    options.common.size.height = size.height, options.common.size.width = size.width;
  }
  if (present(config, "patch_size")) {
    LUTHIER_TRY(const Extent patch, read_extent(config["patch_size"], where + ": patch_size"));
    if (patch.width != patch.height || patch.width > 1024)
      return input_error("Patches must be square, and 1024 wide at most.", where + ": patch_size");
    options.patch = patch.width;
  }
  LUTHIER_TRY(options.pads, json_bool(config, "do_pad", where, true));
  LUTHIER_TRY(const std::string mode, json_string(config, "padding_mode", where, "constant"));
  if (mode != "constant")
    return input_error("Pictures are padded with one value here, not by \"" + mode + "\".",
                       where + ": padding_mode", "It is constant.");
  LUTHIER_TRY(const double filler, json_number(config, "padding_value", where, 1.0));
  if (!(filler >= 0 && filler < 256))
    return input_error("The padding is a byte, from 0 to 255.", where + ": padding_value");
  options.filler = static_cast<std::uint8_t>(filler);
  return std::unique_ptr<ImageProcessor>(std::make_unique<FuyuImages>(options));
}

}  // namespace luthier::detail
