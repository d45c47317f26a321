// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 4's processors: a picture keeps its proportions and becomes as large as max_soft_tokens
// blocks of pooling_kernel_size patches allow, each side rounded down to whole blocks; then flat
// patches, block after block, a pixel's channels together. The unified model's takes each block for
// one patch; transformers has it for torchvision alone.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

constexpr std::array<std::int64_t, 5> kSoftTokens{70, 140, 280, 560, 1120};

struct Gemma4PictureOptions {
  CommonSettings common;
  std::int64_t patch_size = 16, pooling = 3, soft_tokens = 280;
  Backend backend = Backend::Pillow;

  std::int64_t block() const { return patch_size * pooling; }
  std::int64_t patches() const { return soft_tokens * pooling * pooling; }
};

class Gemma4Processor : public ImageProcessor {
 public:
  explicit Gemma4Processor(const Gemma4PictureOptions& options)
      : options_(options), table_(options.common, options.backend) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Result<Extent> resized(Extent from) const;
  float* write_patch(const Image& view, int left, int top, float* out) const;

  Gemma4PictureOptions options_;
  ByteTable table_;
};

Result<Extent> Gemma4Processor::resized(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  const std::int64_t block = options_.block();
  if (!options_.common.do_resize) {
    const bool whole = from.width % block == 0 && from.height % block == 0;
    if (whole && (from.width / block) * (from.height / block) <= options_.soft_tokens) return from;
    return input_error(
        "The picture of " + std::to_string(from.width) + " x " + std::to_string(from.height) +
            " pixels is not made of at most " + std::to_string(options_.soft_tokens) +
            " blocks of " + std::to_string(block) + ", and do_resize is off.",
        {}, "Resize it, or set do_resize to true in the picture processor's settings.");
  }
  const auto width = static_cast<double>(from.width), height = static_cast<double>(from.height);
  const auto most = static_cast<double>(options_.soft_tokens * block * block);
  const double factor = std::sqrt(most / (width * height));
  const auto blocks = [block](double side) {
    return static_cast<std::int64_t>(std::floor(side / static_cast<double>(block)));
  };
  Extent to{blocks(factor * width), blocks(factor * height)};
  // One of them alone can be 0: both together hold as much as all blocks.
  if (to.height == 0)
    to = {std::min(static_cast<std::int64_t>(std::floor(width / height)), options_.soft_tokens), 1};
  else if (to.width == 0)
    to = {1, std::min(static_cast<std::int64_t>(std::floor(height / width)), options_.soft_tokens)};
  to = {to.width * block, to.height * block};
  LUTHIER_CHECK(check_resized(from, to));
  return to;
}

Result<PixelValues> Gemma4Processor::outline(int width, int height) const {
  LUTHIER_TRY(const Extent extent, resized({width, height}));
  const std::int64_t rows = extent.height / options_.patch_size,
                     columns = extent.width / options_.patch_size,
                     length = 3 * options_.patch_size * options_.patch_size;
  LUTHIER_CHECK(check_patches(rows * columns, length));
  return PixelValues{
      {}, {rows * columns, length}, {1, rows, columns, options_.pooling, options_.patches()}};
}

float* Gemma4Processor::write_patch(const Image& view, int left, int top, float* out) const {
  const int patch = static_cast<int>(options_.patch_size);
  for (int y = top; y < top + patch; ++y) {
    const std::uint8_t* from =
        view.rgb.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(view.width) +
                           static_cast<std::size_t>(left)) *
                              3;
    for (int x = 0; x < patch; ++x)
      for (std::size_t channel = 0; channel < 3; ++channel)
        *out++ = table_.channel(channel)[*from++];
  }
  return out;
}

Result<PixelValues> Gemma4Processor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const int patch = static_cast<int>(options_.patch_size),
            pooled = static_cast<int>(options_.pooling);
  const int rows = static_cast<int>(pixels.grid[1]), columns = static_cast<int>(pixels.grid[2]);
  const int width = columns * patch, height = rows * patch;
  const Image view = options_.backend == Backend::Pillow
                         ? resize_to(image, {width, height}, options_.common.resample)
                         : resize_as_torch(image, width, height, options_.common.resample);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
  float* out = pixels.values.data();
  for (int block_row = 0; block_row < rows; block_row += pooled)
    for (int block_column = 0; block_column < columns; block_column += pooled)
      for (int row = block_row; row < block_row + pooled; ++row)
        for (int column = block_column; column < block_column + pooled; ++column)
          out = write_patch(view, column * patch, row * patch, out);
  return pixels;
}

MadeProcessor make_gemma4_processor(const Json& config, const std::string& where,
                                    const PixelLimits& limits, bool unified) {
  if (limits.any())
    return input_error(
        "This model's processor bounds a picture's tokens, so it has no pixel limits to change.",
        "image.min_pixels, image.max_pixels",
        "Leave both null, or set max_soft_tokens in the picture processor's settings.");
  Gemma4PictureOptions options;
  options.common.do_normalize = false;  // the model itself scales pixels
  options.common.std = {1, 1, 1};
  LUTHIER_CHECK(read_common(config, where, options.common));
  const Resample resample = options.common.resample;
  if (unified && resample != Resample::Bilinear && resample != Resample::Bicubic)
    return input_error("This processor's pictures are resized bilinearly (2) or bicubically (3).",
                       where + ": resample");
  LUTHIER_TRY(options.patch_size,
              json_int_in(config, "patch_size", where, options.patch_size, 1, 1024));
  LUTHIER_TRY(options.pooling,
              json_int_in(config, "pooling_kernel_size", where, options.pooling, 1, 64));
  LUTHIER_TRY(options.soft_tokens, json_int(config, "max_soft_tokens", where, options.soft_tokens));
  if (std::find(kSoftTokens.begin(), kSoftTokens.end(), options.soft_tokens) == kSoftTokens.end())
    return input_error(
        "A picture cannot become up to " + std::to_string(options.soft_tokens) + " tokens here.",
        where + ": max_soft_tokens", "It must be 70, 140, 280, 560 or 1120.");
  if (unified) {
    options.patch_size = options.block(), options.pooling = 1;
    options.backend = Backend::Torchvision;
  }
  return std::unique_ptr<ImageProcessor>(std::make_unique<Gemma4Processor>(options));
}

}  // namespace

MadeProcessor create_gemma4_processor(const Json& config, const std::string& where,
                                      const PixelLimits& limits) {
  return make_gemma4_processor(config, where, limits, /*unified=*/false);
}

MadeProcessor create_gemma4_unified_processor(const Json& config, const std::string& where,
                                              const PixelLimits& limits) {
  return make_gemma4_processor(config, where, limits, /*unified=*/true);
}

}  // namespace luthier::detail
