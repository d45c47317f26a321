// SPDX-License-Identifier: GPL-3.0-or-later
// SAM's processor, as SamImageProcessorPil of transformers 5.17: the longer edge to
// size.longest_edge, the numbers of bytes, and then zeros right and below, up to pad_size.
#include <algorithm>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

constexpr std::array<double, 3> kImagenetMean{0.485, 0.456, 0.406},
    kImagenetStd{0.229, 0.224, 0.225};

struct SamPictureOptions {
  CommonSettings common;
  bool pads = true;
  Extent pad{1024, 1024};
};

class SamPictures : public ImageProcessor {
 public:
  explicit SamPictures(const SamPictureOptions& options)
      : options_(options), table_(options.common) {}
  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  /// What becomes of the picture itself.
  Result<Extent> fitted(Extent from) const;

  SamPictureOptions options_;
  ByteTable table_;
};

Result<Extent> SamPictures::fitted(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  if (!options_.common.do_resize) return from;
  const double scale = static_cast<double>(options_.common.size.longest_edge) * 1.0 /
                       static_cast<double>(std::max(from.width, from.height));
  const auto side = [scale](std::int64_t whole) {
    return static_cast<std::int64_t>(static_cast<double>(whole) * scale + 0.5);
  };
  const Extent to{side(from.width), side(from.height)};
  LUTHIER_CHECK(check_resized(from, to));
  return to;
}

Result<PixelValues> SamPictures::outline(int width, int height) const {
  LUTHIER_TRY(const Extent picture, fitted({width, height}));
  if (!options_.pads) return stacked(1, picture, {});
  if (picture.width > options_.pad.width || picture.height > options_.pad.height)
    return input_error("The picture is " + std::to_string(picture.width) + " x " +
                           std::to_string(picture.height) +
                           " pixels after resizing, larger than pad_size.",
                       {}, "Make pad_size at least the longest_edge of size.");
  return stacked(1, options_.pad, {});
}

Result<PixelValues> SamPictures::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  LUTHIER_TRY(const Extent extent, fitted({image.width, image.height}));
  const Image view = extent == Extent{image.width, image.height}
                         ? image
                         : resize_to(image, extent, options_.common.resample);
  const auto height = static_cast<std::size_t>(pixels.shape[2]),
             width = static_cast<std::size_t>(pixels.shape[3]);
  pixels.values.assign(3 * height * width, 0.0f);
  table_.write(view, {0, 0, view.width, view.height}, pixels.values.data(), width, height * width);
  return pixels;
}

}  // namespace

MadeProcessor create_sam_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits) {
  LUTHIER_CHECK(refuse_limits(limits));
  SamPictureOptions options;
  options.common.size.longest_edge = 1024;
  options.common.resample = Resample::Bilinear;
  options.common.mean = kImagenetMean;
  options.common.std = kImagenetStd;
  LUTHIER_CHECK(read_common(config, where, options.common));
  if (present(config, "size")) {
    LUTHIER_TRY(options.common.size, read_size(config["size"], false, where + ": size"));
  }
  if (options.common.do_resize && !options.common.size.longest_edge)
    return input_error("The size must have longest_edge.", where + ": size",
                       "It is {\"longest_edge\": 1024}.");
  LUTHIER_TRY(options.pads, json_bool(config, "do_pad", where, true));
  if (present(config, "pad_size")) {
    LUTHIER_TRY(options.pad, read_extent(config["pad_size"], where + ": pad_size"));
  }
  return std::unique_ptr<ImageProcessor>(std::make_unique<SamPictures>(options));
}

}  // namespace luthier::detail
