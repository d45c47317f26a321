// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen2-VL's processor, which Qwen2.5-VL and Qwen3-VL have too: a size near the picture's own,
// within pixel limits, in whole blocks of merge_size patches; then flat patches, block after block,
// each picture repeated temporal_patch_size times as a film of one frame. GLM-V's counts those
// frames, too, and enlarges what is smaller than a block before it looks at anything else.
#include <algorithm>

#include "engine/vision/processors.h"
#include "engine/vision/smart_resize.h"

namespace luthier::detail {

namespace {

struct QwenPictureOptions {
  CommonSettings common;
  PixelRange range;
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
  QwenPictureOptions options_;
  ByteTable table_;
};

Result<PixelValues> QwenProcessor::outline(int width, int height) const {
  const SmartSize size{options_.patch_size * options_.merge_size, options_.range,
                       options_.common.do_resize,
                       options_.frames_count ? options_.temporal_patch_size : 0};
  LUTHIER_TRY(const Extent extent, smart_resize({width, height}, size));
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
  LUTHIER_TRY(options.range, read_pixel_range(config, where, limits, standard));
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
