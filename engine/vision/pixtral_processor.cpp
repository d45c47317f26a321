// SPDX-License-Identifier: GPL-3.0-or-later
// Pixtral's processor, which Mistral 3 has too: a picture keeps its proportions within its longest
// edge, and each side goes up to whole blocks of spatial_merge_size patches; then flat patches, row
// by row, so that pictures of any size lie behind one another.
#include <algorithm>
#include <cmath>

#include "engine/vision/frames.h"
#include "engine/vision/processors.h"

namespace luthier::detail {

namespace {

struct PixtralPictureOptions {
  CommonSettings common;
  std::int64_t patch_size = 16, merge_size = 1;
};

class PixtralProcessor : public ImageProcessor {
 public:
  explicit PixtralProcessor(const PixtralPictureOptions& options)
      : options_(options), table_(options.common) {}

  Result<PixelValues> process(const Image& image) const override;
  Result<PixelValues> outline(int width, int height) const override;

 private:
  Result<Extent> resized(Extent from) const;

  PixtralPictureOptions options_;
  ByteTable table_;
};

Result<Extent> PixtralProcessor::resized(Extent from) const {
  LUTHIER_CHECK(check_picture(from.width, from.height));
  const std::int64_t block = options_.patch_size * options_.merge_size;
  if (!options_.common.do_resize) {
    if (from.width % block == 0 && from.height % block == 0) return from;
    return input_error("The picture of " + std::to_string(from.width) + " x " +
                           std::to_string(from.height) + " pixels does not divide into blocks of " +
                           std::to_string(block) + ", and do_resize is off.",
                       {},
                       "Resize it, or set do_resize to true in the picture processor's settings.");
  }
  const Size& size = options_.common.size;
  const auto most_down = static_cast<double>(size.longest_edge ? size.longest_edge : size.height),
             most_across = static_cast<double>(size.longest_edge ? size.longest_edge : size.width);
  const auto height = static_cast<double>(from.height), width = static_cast<double>(from.width);
  Extent to = from;
  if (const double ratio = std::max(height / most_down, width / most_across); ratio > 1) {
    to.height = static_cast<std::int64_t>(std::floor(height / ratio));
    to.width = static_cast<std::int64_t>(std::floor(width / ratio));
  }
  // An edge of a very long picture may have come to 0 pixels, and has no block then.
  const auto blocks = [block](std::int64_t side) { return (side + block - 1) / block * block; };
  to = {blocks(to.width), blocks(to.height)};
  LUTHIER_CHECK(check_resized(from, to));
  return to;
}

Result<PixelValues> PixtralProcessor::outline(int width, int height) const {
  LUTHIER_TRY(const Extent extent, resized({width, height}));
  const std::int64_t rows = extent.height / options_.patch_size,
                     columns = extent.width / options_.patch_size,
                     length = 3 * options_.patch_size * options_.patch_size;
  LUTHIER_CHECK(check_patches(rows * columns, length));
  return PixelValues{{}, {rows * columns, length}, {1, rows, columns}};
}

Result<PixelValues> PixtralProcessor::process(const Image& image) const {
  LUTHIER_TRY(PixelValues pixels, outline(image.width, image.height));
  const int patch = static_cast<int>(options_.patch_size);
  const int rows = static_cast<int>(pixels.grid[1]), columns = static_cast<int>(pixels.grid[2]);
  const Image view = resize_to(image, {std::int64_t{columns} * patch, std::int64_t{rows} * patch},
                               options_.common.resample);
  const std::size_t area = std::size_t(patch) * std::size_t(patch);
  pixels.values.resize(static_cast<std::size_t>(pixels.shape[0] * pixels.shape[1]));
  float* out = pixels.values.data();
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column, out += 3 * area)
      table_.write(view, {column * patch, row * patch, patch, patch}, out, std::size_t(patch),
                   area);
  return pixels;
}

}  // namespace

MadeProcessor create_pixtral_processor(const Json& config, const std::string& where,
                                       const PixelLimits& limits) {
  if (limits.any())
    return input_error(
        "This model's processor bounds a picture's edges, so it has no pixel limits to change.",
        "image.min_pixels, image.max_pixels",
        "Leave both null, or set the size in the picture processor's settings.");
  PixtralPictureOptions options;
  options.common.number_is_square = true;
  options.common.size.longest_edge = 1024;
  options.common.mean = kClipMean;
  options.common.std = kClipStd;
  LUTHIER_CHECK(read_common(config, where, options.common));
  if (present(config, "size")) {
    LUTHIER_TRY(options.common.size,
                read_size(config["size"], options.common.number_is_square, where + ": size"));
  }
  LUTHIER_TRY(const bool crops, json_bool(config, "do_center_crop", where, false));
  if (crops)
    return input_error("This processor's pictures are not cropped.", where + ": do_center_crop");
  if (present(config, "patch_size")) {
    LUTHIER_TRY(const Extent patch, read_extent(config["patch_size"], where + ": patch_size"));
    if (patch.width != patch.height || patch.width > 1024)
      return input_error("Patches must be square, and 1024 wide at most.", where + ": patch_size");
    options.patch_size = patch.width;
  }
  LUTHIER_TRY(options.merge_size,
              json_int_in(config, "spatial_merge_size", where, options.merge_size, 1, 64));
  const Size& size = options.common.size;
  if (options.common.do_resize && !size.longest_edge && !(size.height && size.width))
    return input_error("The size needs a longest_edge, or height and width.", where + ": size");
  const std::int64_t block = options.patch_size * options.merge_size,
                     least =
                         size.longest_edge ? size.longest_edge : std::min(size.height, size.width);
  if (options.common.do_resize && least < block)
    return input_error("The size must be a block of " + std::to_string(block) +
                           " pixels at least, not " + std::to_string(least) + ".",
                       where + ": size",
                       "A block is spatial_merge_size patches along either side.");
  return std::unique_ptr<ImageProcessor>(std::make_unique<PixtralProcessor>(options));
}

}  // namespace luthier::detail
