// SPDX-License-Identifier: GPL-3.0-or-later
// EVE's processor (Diao et al. 2024): a picture keeps its proportions; its longer edge becomes
// image_size, and the shorter one goes up to whole patches of the CLIP picture that it is aligned
// with, each of which is image_size / image_size_clip times as large here. The authors put the
// result in the middle of a square and take it out again by a mask; here it stays as it is. Then
// flat patches, square by square of conv_stride patches, so that what is pooled lies together. With
// `teacher_picture` CLIP's picture is behind them, which does have its square: all its patches, row
// by row.
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct EveOptions {
  CommonSettings common;
  std::int64_t image_size = 672, image_size_clip = 336;
  std::int64_t patch_stride = 14, patch_stride_clip = 14, conv_stride = 2;
  bool teacher_picture = false;

  /// Pixels of the picture for one of CLIP's.
  std::int64_t ratio() const { return image_size / image_size_clip; }
  std::int64_t block() const { return patch_stride * conv_stride; }
};

class EveImages : public ImageProcessor {
 public:
  explicit EveImages(const EveOptions& options) : options_(options), table_(options.common) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Result<Extent> resized(Extent from) const;
  void write_teacher(const Image& image, Extent own, float* out) const;

  EveOptions options_;
  ByteTable table_;
};

Result<Extent> EveImages::resized(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  const auto shorter = [this](std::int64_t own, std::int64_t longer) {
    const double side = static_cast<double>(options_.image_size_clip * own) /
                        static_cast<double>(longer) /
                        static_cast<double>(options_.patch_stride_clip);
    return static_cast<std::int64_t>(std::ceil(side)) * options_.patch_stride_clip *
           options_.ratio();
  };
  const Extent to = from.width > from.height
                        ? Extent{options_.image_size, shorter(from.height, from.width)}
                        : Extent{shorter(from.width, from.height), options_.image_size};
  LUTHIER_CHECK(check_resized(from, to));
  return to;
}

Result<PixelValues> EveImages::outline(int width, int height) const {
  LUTHIER_TRY(const Extent extent, resized({width, height}));
  const std::int64_t rows = extent.height / options_.patch_stride,
                     columns = extent.width / options_.patch_stride,
                     length = 3 * options_.patch_stride * options_.patch_stride;
  const std::int64_t side = options_.image_size_clip / options_.patch_stride_clip,
                     all = rows * columns + (options_.teacher_picture ? side * side : 0);
  LUTHIER_CHECK(check_patches(all, length));
  return PixelValues{{}, {all, length}, {1, rows, columns}};
}

Result<PixelValues> EveImages::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const int patch = static_cast<int>(options_.patch_stride);
  const std::int64_t side = options_.conv_stride, columns = pixels.grid[2] / side;
  const Image view = resize_to(
      image, {pixels.grid[2] * options_.patch_stride, pixels.grid[1] * options_.patch_stride},
      options_.common.resample);
  const std::size_t area = std::size_t(patch) * std::size_t(patch);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
  float* out = pixels.values.data();
  for (std::int64_t index = 0; index < pixels.grid[1] * pixels.grid[2]; ++index, out += 3 * area) {
    const std::int64_t square = index / (side * side), within = index % (side * side);
    const auto row = static_cast<int>(square / columns * side + within / side),
               column = static_cast<int>(square % columns * side + within % side);
    table_.write(view, {column * patch, row * patch, patch, patch}, out, std::size_t(patch), area);
  }
  if (options_.teacher_picture)
    write_teacher(image, {view.width / options_.ratio(), view.height / options_.ratio()}, out);
  return pixels;
}

/// The picture as large as `own`, between stripes of whole patches of the mean colour.
void EveImages::write_teacher(const Image& image, Extent own, float* out) const {
  const int patch = static_cast<int>(options_.patch_stride_clip),
            side = static_cast<int>(options_.image_size_clip) / patch;
  const Image view = resize_to(image, own, options_.common.resample);
  std::array<std::uint8_t, 3> colour{};
  for (std::size_t i = 0; i < 3; ++i)
    colour[i] = static_cast<std::uint8_t>(options_.common.mean[i] * 255);
  const int left = (side - view.width / patch) / 2 * patch,
            top = (side - view.height / patch) / 2 * patch, edge = side * patch;
  Image square{edge, edge, {}};
  square.rgb.reserve(std::size_t(edge) * std::size_t(edge) * 3);
  for (int y = 0; y < edge; ++y)
    for (int x = 0; x < edge; ++x) {
      const bool within = y >= top && y < top + view.height && x >= left && x < left + view.width;
      const std::size_t at = 3 * (std::size_t(within ? y - top : 0) * std::size_t(view.width) +
                                  std::size_t(within ? x - left : 0));
      for (std::size_t channel = 0; channel < 3; ++channel)
        square.rgb.push_back(within ? view.rgb[at + channel] : colour[channel]);
    }
  const std::size_t area = std::size_t(patch) * std::size_t(patch);
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column, out += 3 * area)
      table_.write(square, {column * patch, row * patch, patch, patch}, out, std::size_t(patch),
                   area);
}

}  // namespace

MadeProcessor create_eve_processor(const Json& config, const std::string& where,
                                   const PixelLimits& limits) {
  if (limits.any())
    return input_error(
        "This model's processor bounds a picture's edges, so it has no pixel limits to change.",
        "image.min_pixels, image.max_pixels",
        "Leave both null, or set the size in the picture processor's settings.");
  EveOptions o;
  o.common.mean = kClipMean, o.common.std = kClipStd;
  LUTHIER_CHECK(read_common(config, where, o.common));
  const auto read = [&](const char* key, std::int64_t most, std::int64_t& number) -> Status {
    LUTHIER_TRY(number, json_int_in(config, key, where, number, 1, most));
    return {};
  };
  LUTHIER_CHECK(read("image_size", kMaxEdge, o.image_size));
  LUTHIER_CHECK(read("image_size_clip", kMaxEdge, o.image_size_clip));
  LUTHIER_CHECK(read("patch_stride", 1024, o.patch_stride));
  LUTHIER_CHECK(read("patch_stride_clip", 1024, o.patch_stride_clip));
  LUTHIER_CHECK(read("conv_stride", 64, o.conv_stride));
  const auto divides = [&](std::int64_t part, std::int64_t whole, const char* key,
                           const std::string& by) -> Status {
    if (whole % part == 0) return {};
    return input_error(std::to_string(whole) + " is no multiple of " + std::to_string(part) + ".",
                       where + ": " + key, "It must be a multiple of " + by + ".");
  };
  LUTHIER_CHECK(divides(o.image_size_clip, o.image_size, "image_size", "image_size_clip"));
  LUTHIER_CHECK(
      divides(o.patch_stride_clip, o.image_size_clip, "image_size_clip", "patch_stride_clip"));
  LUTHIER_TRY(o.teacher_picture, json_bool(config, "teacher_picture", where, false));
  if (o.teacher_picture && o.patch_stride_clip != o.patch_stride)
    return input_error("CLIP's patches are " + std::to_string(o.patch_stride_clip) +
                           " pixels along a side, and the model's " +
                           std::to_string(o.patch_stride) + ".",
                       where + ": patch_stride_clip", "Aligned with CLIP, both must be the same.");
  if (o.patch_stride_clip * o.ratio() % o.block() != 0)
    return input_error("A patch of CLIP's picture is " +
                           std::to_string(o.patch_stride_clip * o.ratio()) +
                           " pixels along a side here, which squares of " +
                           std::to_string(o.block()) + " do not divide.",
                       where + ": patch_stride",
                       "patch_stride_clip times image_size / image_size_clip must be a multiple of "
                       "patch_stride times conv_stride.");
  return std::unique_ptr<ImageProcessor>(std::make_unique<EveImages>(o));
}

}  // namespace luthier::detail
