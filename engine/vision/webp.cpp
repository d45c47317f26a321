// SPDX-License-Identifier: GPL-3.0-or-later
// WebP through libwebp. A still picture is decoded whole, its alpha dropped; of an animation the
// first frame is laid on a black canvas, as Pillow shows it. The RIFF chunks are walked here, so
// that the demultiplexer is not needed.
#include <webp/decode.h>

#include <algorithm>
#include <cstring>

#include "engine/vision/decoders.h"

namespace luthier::detail {

namespace {

std::uint32_t little_endian(Bytes bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= byte_at(bytes, at + static_cast<std::size_t>(i)) << (8 * i);
  return value;
}

const std::uint8_t* data_of(Bytes bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

Error broken_webp(const std::string& why) {
  return input_error("The WebP picture is broken: " + why + ".", {},
                     "Replace it or take its row out.");
}

// Calls visit(type, data, start of the chunk) for each whole chunk; false when the bytes end inside
// one.
template <class Visit>
bool walk(Bytes bytes, std::size_t at, Visit visit) {
  while (at < bytes.size()) {
    if (bytes.size() - at < 8) return false;
    const std::size_t length = little_endian(bytes, at + 4, 4);
    if (length > bytes.size() - at - 8) return false;
    if (!visit(bytes.subspan(at, 4), bytes.subspan(at + 8, length), at)) return true;
    at += 8 + std::min(length + (length & 1), bytes.size() - at - 8);
  }
  return true;
}

struct Frame {
  int left = 0, top = 0, width = 0, height = 0;
  Bytes bitstream;  // the VP8 or VP8L chunk with its own header
};

std::optional<Frame> first_frame(Bytes bytes) {
  std::optional<Frame> frame;
  walk(bytes, 12, [&](Bytes type, Bytes data, std::size_t) {
    if (!starts_with(type, "ANMF")) return true;
    if (data.size() < 16) return false;
    Frame found;
    found.left = static_cast<int>(2 * little_endian(data, 0, 3));
    found.top = static_cast<int>(2 * little_endian(data, 3, 3));
    found.width = static_cast<int>(1 + little_endian(data, 6, 3));
    found.height = static_cast<int>(1 + little_endian(data, 9, 3));
    walk(data, 16, [&](Bytes inner, Bytes payload, std::size_t start) {
      if (!starts_with(inner, "VP8 ") && !starts_with(inner, "VP8L")) return true;
      found.bitstream = data.subspan(start, payload.size() + 8);
      return false;
    });
    if (!found.bitstream.empty()) frame = found;
    return false;
  });
  return frame;
}

}  // namespace

Result<Header> webp_header(Bytes bytes) {
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(data_of(bytes), bytes.size(), &features) != VP8_STATUS_OK)
    return broken_webp("its header cannot be read");
  Header header;
  header.width = features.width;
  header.height = features.height;
  if (bytes.size() < 21 || !starts_with(bytes.subspan(12), "VP8X")) return header;
  constexpr std::uint32_t kExif = 0x08, kXmp = 0x04;
  if (!(byte_at(bytes, 20) & (kExif | kXmp))) return header;
  std::optional<int> exif, xmp;
  const bool whole = walk(bytes, 12, [&](Bytes type, Bytes data, std::size_t) {
    if (starts_with(type, "EXIF") && !exif) exif = exif_orientation(data);
    if (starts_with(type, "XMP ") && !xmp) xmp = xmp_orientation(data);
    return true;
  });
  header.complete = whole && bytes.size() >= std::size_t{little_endian(bytes, 4, 4)} + 8;
  header.orientation = exif ? *exif : xmp.value_or(1);
  return header;
}

Result<Image> decode_webp(Bytes bytes, const DecodeLimits& limits) {
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(data_of(bytes), bytes.size(), &features) != VP8_STATUS_OK)
    return broken_webp("its header cannot be read");
  if (bytes.size() < 12 || bytes.size() - 8 < little_endian(bytes, 4, 4))
    return broken_webp("the file ends early");
  LUTHIER_CHECK(check_pixels(static_cast<std::uint64_t>(features.width),
                             static_cast<std::uint64_t>(features.height), limits));
  Image image;
  image.width = features.width;
  image.height = features.height;
  image.rgb.resize(std::size_t(image.width) * std::size_t(image.height) * 3);
  const int stride = image.width * 3;
  if (!features.has_animation) {
    if (!WebPDecodeRGBInto(data_of(bytes), bytes.size(), image.rgb.data(), image.rgb.size(),
                           stride))
      return broken_webp("its pixels cannot be decoded");
    return image;
  }
  const auto frame = first_frame(bytes);
  if (!frame) return broken_webp("its first frame is missing");
  if (frame->left > image.width - frame->width || frame->top > image.height - frame->height)
    return broken_webp("its first frame leaves the canvas");
  int width = 0, height = 0;
  if (!WebPGetInfo(data_of(frame->bitstream), frame->bitstream.size(), &width, &height) ||
      width != frame->width || height != frame->height)
    return broken_webp("its first frame has another size than it says");
  std::uint8_t* start = image.rgb.data() + std::size_t(frame->top) * std::size_t(stride) +
                        std::size_t(frame->left) * 3;
  const std::size_t room = image.rgb.size() - static_cast<std::size_t>(start - image.rgb.data());
  if (!WebPDecodeRGBInto(data_of(frame->bitstream), frame->bitstream.size(), start, room, stride))
    return broken_webp("its pixels cannot be decoded");
  return image;
}

}  // namespace luthier::detail
