// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2-VL's processor, which Qwen2.5-VL and Qwen3-VL have too: a size near the picture's own,
// within pixel limits, in whole blocks of merge_size patches; then flat patches, block after block,
// each picture repeated temporal_patch_size times as a film of one frame. GLM-V's counts those
// frames, too, and enlarges what is smaller than a block before it looks at anything else.
#include <algorithm>
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/pixel_limits.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

constexpr double kMaxProportion = 200;

struct QwenPictureOptions {
  CommonSettings common;
  std::int64_t min_pixels = 0, max_pixels = 0;
  std::int64_t patch_size = 14, temporal_patch_size = 2, merge_size = 2;
  bool frames_count = false;  ///< GLM-V's
};

class QwenProcessor : public ImageProcessor {
 public:
  explicit QwenProcessor(const QwenPictureOptions& options)
      : options_(options), table_(options.common) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Result<Extent> smart_resize(std::int64_t width, std::int64_t height) const;

  QwenPictureOptions options_;
  ByteTable table_;
};

Result<Extent> QwenProcessor::smart_resize(std::int64_t width, std::int64_t height) const {
  LUTHIER_CHECK(check_picture(width, height));
  const std::int64_t factor = options_.patch_size * options_.merge_size;
  const Extent from{width, height};
  if (!options_.common.do_resize) {
    if (width % factor || height % factor)
      return input_error(
          "The picture of " + std::to_string(width) + " x " + std::to_string(height) +
              " pixels does not divide into blocks of " + std::to_string(factor) +
              ", and do_resize is off.",
          {}, "Resize it, or set do_resize to true in the picture processor's settings.");
    return from;
  }
  double w = static_cast<double>(width), h = static_cast<double>(height);
  const double block = static_cast<double>(factor);
  if (options_.frames_count && (w < block || h < block)) {
    const double scale = std::max(block / h, block / w);
    w = std::floor(w * scale), h = std::floor(h * scale);
  }
  const std::int64_t frames = options_.frames_count ? options_.temporal_patch_size : 1;
  const double pixels = static_cast<double>(frames) * h * w;
  if (std::max(w, h) / std::min(w, h) > kMaxProportion)
    return input_error("The picture of " + std::to_string(width) + " x " + std::to_string(height) +
                           " pixels is more than 200 times as long as it is wide, which this "
                           "model's processor refuses.",
                       {}, "Crop it.");
  const auto blocks = [&](double count) { return static_cast<std::int64_t>(count) * factor; };
  Extent to{blocks(std::rint(w / block)),
            blocks(std::rint(h / block))};  // halves go to even, as Python rounds
  if (frames * to.width * to.height > options_.max_pixels) {
    const double shrink = std::sqrt(pixels / static_cast<double>(options_.max_pixels));
    to = {std::max(factor, blocks(std::floor(w / shrink / block))),
          std::max(factor, blocks(std::floor(h / shrink / block)))};
  } else if (frames * to.width * to.height < options_.min_pixels) {
    const double grow = std::sqrt(static_cast<double>(options_.min_pixels) / pixels);
    to = {blocks(std::ceil(w * grow / block)), blocks(std::ceil(h * grow / block))};
  }
  LUTHIER_CHECK(check_resized(from, to));
  return to;
}

Result<PixelValues> QwenProcessor::outline(int width, int height) const {
  LUTHIER_TRY(const Extent extent, smart_resize(width, height));
  const std::int64_t rows = extent.height / options_.patch_size,
                     columns = extent.width / options_.patch_size;
  const std::int64_t length =
      3 * options_.temporal_patch_size * options_.patch_size * options_.patch_size;
  if (rows * columns > kMaxValues / length)
    return input_error(
        "The picture would become " + std::to_string(rows * columns) + " patches.", {},
        "That is more than this program takes for one picture: set image.max_pixels lower.");
  return PixelValues{{}, {rows * columns, length}, {1, rows, columns}};
}

Result<PixelValues> QwenProcessor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const int patch = static_cast<int>(options_.patch_size),
            merge = static_cast<int>(options_.merge_size);
  const int rows = static_cast<int>(pixels.grid[1]), columns = static_cast<int>(pixels.grid[2]);
  const Image view = resize_to(image, {std::int64_t{columns} * patch, std::int64_t{rows} * patch},
                               options_.common.resample);
  const std::size_t area = std::size_t(patch) * std::size_t(patch),
                    times = static_cast<std::size_t>(options_.temporal_patch_size);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
  float* out = pixels.values.data();
  for (int block_row = 0; block_row < rows; block_row += merge)
    for (int block_column = 0; block_column < columns; block_column += merge)
      for (int row = block_row; row < block_row + merge; ++row)
        for (int column = block_column; column < block_column + merge;
             ++column, out += 3 * times * area) {
          table_.write(view, {column * patch, row * patch, patch, patch}, out, std::size_t(patch),
                       times * area);
          for (std::size_t channel = 0; channel < 3; ++channel)
            for (std::size_t time = 1; time < times; ++time)
              std::copy_n(out + channel * times * area, area,
                          out + (channel * times + time) * area);
        }
  return pixels;
}

MadeProcessor create_patches(const Json& config, const std::string& where,
                             const PixelLimits& limits, const PixelRange& standard,
                             bool frames_count) {
  QwenPictureOptions options;
  options.frames_count = frames_count;
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  LUTHIER_CHECK(read_common(config, where, options.common));
  LUTHIER_TRY(const PixelRange range, read_pixel_range(config, where, limits, standard));
  options.min_pixels = range.least;
  options.max_pixels = range.most;
  LUTHIER_TRY(options.patch_size,
              json_int_in(config, "patch_size", where, options.patch_size, 1, 1024));
  LUTHIER_TRY(options.merge_size,
              json_int_in(config, "merge_size", where, options.merge_size, 1, 64));
  LUTHIER_TRY(options.temporal_patch_size, json_int_in(config, "temporal_patch_size", where,
                                                       options.temporal_patch_size, 1, 64));
  return std::unique_ptr<ImageProcessor>(std::make_unique<QwenProcessor>(options));
}

}  // namespace

MadeProcessor create_qwen_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits) {
  return create_patches(config, where, limits, {}, false);
}

MadeProcessor create_glm4v_processor(const Json& config, const std::string& where,
                                     const PixelLimits& limits) {
  return create_patches(config, where, limits, {112 * 112, 28 * 28 * 15000}, true);
}

}  // namespace luthier::detail
