// SPDX-License-Identifier: GPL-3.0-or-later
// The steps that picture processors share once their settings are read: the size a resize gives,
// the resize with a centre crop, bytes to normalized floats, and the bounds on what a picture may
// become, checked before memory is taken. Internal to the vision room.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/vision/processor_settings.h"

namespace luthier::detail {

constexpr std::int64_t kMaxPictureEdge =
    1 << 20;  // the filters' weights are kept for each row and column
constexpr std::int64_t kMaxResized = 1 << 26;  // pixels of one resized picture
constexpr std::int64_t kMaxTiles = 4096;       // of one picture
constexpr std::int64_t kMaxValues = 1 << 28;   // floats of one picture, all tiles together

/// A picture must have pixels, and no edge longer than the bound.
Status check_picture(std::int64_t width, std::int64_t height);
/// A resize from one extent to the other must leave pixels, and not too many.
Status check_resized(Extent from, Extent to);
/// So many patches of `length` numbers each are no more than one picture may have.
Status check_patches(std::int64_t patches, std::int64_t length);
/// The shape [count, 3, height, width] within the bounds on tiles and values, the grid, and no
/// values.
Result<PixelValues> stacked(std::int64_t count, Extent frame, std::vector<std::int64_t> grid);

/// The extent that transformers' resize gives for `size`.
Extent resized_extent(const Size& size, Extent from);
Image resize_to(const Image& image, Extent to, Resample filter);
Image cut(const Image& image, const Region& region);
/// In the middle of a larger canvas of one colour; an odd pixel more goes right and below.
Image centred(const Image& image, Extent canvas, const std::array<std::uint8_t, 3>& color);

/// A square of the longer edge must not be too large.
Status check_squared(Extent from);
/// The picture in the middle of a square of its longer edge, around it the mean colour as Python's
/// int() and a byte of it make it.
Image squared(const Image& image, const std::array<double, 3>& mean);

/// A resize (or none), then a centre crop (or none).
struct Framing {
  bool do_resize = true, do_center_crop = false;
  Size size;
  Extent crop;
  Resample resample = Resample::Bicubic;
  bool half_to_even =
      false;  ///< where a crop would begin at half a pixel: torchvision's, else below

  /// The extent `apply` gives.
  Result<Extent> extent(Extent from) const;
  Result<Image> apply(const Image& image) const;

 private:
  struct Plan {
    Extent target, result;
    Region
        region;  // of the target: a crop that lies inside it decides what has to be resized at all
  };
  Result<Plan> plan(Extent from) const;
};

/// Whose arithmetic it is: of Pillow's, byte * rescale_factor is made in double and rounded to
/// float, then (value - mean) / std in float; torchvision's is in float all along, and one step
/// where both are asked for.
enum class Backend { Pillow, Torchvision };

/// Bytes as numbers, as transformers' backend computes them. A byte has 256 values, so the
/// arithmetic is a table.
class ByteTable {
 public:
  explicit ByteTable(const CommonSettings& settings, Backend backend = Backend::Pillow);
  /// Each byte's number, by channel.
  explicit ByteTable(const std::array<std::array<float, 256>, 3>& values) : values_(values) {}

  const std::array<float, 256>& channel(std::size_t index) const { return values_[index]; }
  /// The region as [3, region.height, region.width]; rows and channels may lie further apart in
  /// `out` than they are long.
  void write(const Image& image, const Region& region, float* out, std::size_t row_stride,
             std::size_t channel_stride) const;
  void write(const Image& image, const Region& region, float* out) const;
  /// The whole picture.
  void write(const Image& image, float* out) const {
    write(image, {0, 0, image.width, image.height}, out);
  }

 private:
  std::array<std::array<float, 256>, 3> values_{};
};

}  // namespace luthier::detail
