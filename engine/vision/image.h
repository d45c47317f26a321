// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures as the models' processors see them: 8-bit RGB, rows top to bottom. Decoding (PNG, JPEG turned by EXIF, WebP) is capped
// before memory is taken; resampling is Pillow's fixed-point two-pass filter, equal to the pixel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;   ///< [height, width, 3]
};

struct DecodeLimits {
  std::uint64_t max_pixels = 179'000'000;   ///< Pillow's own warning threshold doubled: a bomb beyond it
};

/// PNG, JPEG (EXIF orientation applied, CMYK converted) or WebP by content, not by name; alpha is dropped as Pillow's convert("RGB")
/// does. Errors name the file.
Result<Image> decode_image(const std::filesystem::path& path, const DecodeLimits& limits = {});
Result<Image> decode_image_bytes(std::span<const std::byte> bytes, const std::string& where, const DecodeLimits& limits = {});

/// Writes 8-bit RGB PNG bytes (for thumbnails, the comparison page and generated scenes).
Result<std::vector<std::uint8_t>> encode_png(const Image& image);

enum class Resample { Nearest = 0, Lanczos = 1, Bilinear = 2, Bicubic = 3, Box = 4, Hamming = 5 };   ///< Pillow's numbers

/// Pillow's Image.resize((width, height), filter) on 8-bit RGB.
Image resize(const Image& image, int width, int height, Resample filter);
/// Pillow's crop around the centre as transformers' center_crop does, padding with zeros where the picture is smaller.
Image center_crop(const Image& image, int width, int height);

}  // namespace luthier
