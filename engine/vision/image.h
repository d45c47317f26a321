// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures as the models' processors see them: 8-bit RGB, rows top to bottom. Decoding (PNG, JPEG
// turned by EXIF, WebP, GIF's first frame, BMP, TIFF's first page) is capped before memory is
// taken; resampling is Pillow's fixed-point two-pass filter, or ATen's, equal to the pixel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  ///< [height, width, 3]
};

struct DecodeLimits {
  std::uint64_t max_pixels =
      179'000'000;  ///< Pillow's own warning threshold doubled: a bomb beyond it
};

/// PNG, JPEG (EXIF orientation applied, CMYK converted), WebP, GIF, BMP or TIFF by content, not by
/// name; alpha is dropped as Pillow's convert("RGB") does. `path` may be an inline picture
/// (inline_picture.h). Errors name the file.
Result<Image> decode_image(const std::filesystem::path& path, const DecodeLimits& limits = {});
Result<Image> decode_image_bytes(std::span<const std::byte> bytes, const std::string& where,
                                 const DecodeLimits& limits = {});

/// How many pictures this process has decoded: what tests hold a promise of no decoding against.
std::uint64_t decoded_pictures();

struct ImageSize {
  int width = 0, height = 0;
};

/// The size `decode_image` would give, turned by EXIF too, from the file's header alone: pixels are
/// neither decoded nor checked.
Result<ImageSize> read_image_size(const std::filesystem::path& path,
                                  const DecodeLimits& limits = {});

/// Writes 8-bit RGB PNG bytes (for thumbnails, the comparison page and generated scenes).
Result<std::vector<std::uint8_t>> encode_png(const Image& image);

enum class Resample {
  Nearest = 0,
  Lanczos = 1,
  Bilinear = 2,
  Bicubic = 3,
  Box = 4,
  Hamming = 5
};  ///< Pillow's numbers

/// Pillow's Image.resize((width, height), filter) on 8-bit RGB.
Image resize(const Image& image, int width, int height, Resample filter);
/// torchvision's resize of 8-bit RGB with antialias, as ATen makes it on a CPU: Bilinear or Bicubic.
Image resize_as_torch(const Image& image, int width, int height, Resample filter);
/// The rectangle of `resize(image, width, height, filter)` that starts at (left, top), without
/// computing the rest: a resize that is cropped afterwards costs only what is kept. The rectangle
/// must lie inside the resized picture.
struct Region {
  int left = 0, top = 0, width = 0, height = 0;
};
Image resize_region(const Image& image, int width, int height, Resample filter,
                    const Region& region);
/// Small copy for lists and pages: the longer edge at most `longest_edge`, proportions kept, never
/// enlarged.
Image thumbnail(const Image& image, int longest_edge);
/// Pillow's crop around the centre as transformers' center_crop does, padding with zeros where the
/// picture is smaller.
Image center_crop(const Image& image, int width, int height);

}  // namespace luthier
