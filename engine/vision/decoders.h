// SPDX-License-Identifier: GPL-3.0-or-later
// What the decoders of one format each give to decode.cpp: a look at the header (size and
// orientation, bounded reads only) and the pixels as Pillow's convert("RGB") gives them, before
// turning. Internal to the vision room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/vision/image.h"

namespace luthier::detail {

using Bytes = std::span<const std::byte>;

inline std::uint32_t byte_at(Bytes bytes, std::size_t at) {
  return std::to_integer<std::uint32_t>(bytes[at]);
}
inline bool starts_with(Bytes bytes, std::string_view text) {
  if (bytes.size() < text.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (byte_at(bytes, i) != static_cast<unsigned char>(text[i])) return false;
  return true;
}

/// `orientation` is EXIF's 1..8. `complete` is false when the bytes given end before the header
/// told everything.
struct Header {
  int width = 0, height = 0;
  int orientation = 1;
  bool complete = true;
};

/// EXIF's orientation in a TIFF block (with or without its "Exif" prefix), or nullopt when it is
/// absent or malformed.
std::optional<int> exif_orientation(Bytes block);
/// The orientation an XMP packet states, where EXIF has none.
std::optional<int> xmp_orientation(Bytes packet);

/// Errors carry the sentence without the file; decode.cpp puts the file in `where`.
Result<Header> png_header(Bytes bytes);
Result<Header> jpeg_header(Bytes bytes);
Result<Header> webp_header(Bytes bytes);
Result<Header> gif_header(Bytes bytes);
Result<Header> bmp_header(Bytes bytes);
Result<Header> tiff_header(Bytes bytes);
Result<Image> decode_png(Bytes bytes, const DecodeLimits& limits);
Result<Image> decode_jpeg(Bytes bytes, const DecodeLimits& limits);
Result<Image> decode_webp(Bytes bytes, const DecodeLimits& limits);
Result<Image> decode_gif(Bytes bytes, const DecodeLimits& limits);
Result<Image> decode_bmp(Bytes bytes, const DecodeLimits& limits);
Result<Image> decode_tiff(Bytes bytes, const DecodeLimits& limits);

/// EXIF's eight orientations: 5 to 8 swap the axes, then each may mirror.
Image turned(Image image, int orientation);
/// One picture more in `decoded_pictures`.
void count_decoded();
/// Refuses sizes of zero and beyond the cap.
Status check_pixels(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits);

}  // namespace luthier::detail
