// SPDX-License-Identifier: GPL-3.0-or-later
// BMP: palettes of 1, 4 and 8 bits (plain or run-length coded), 16, 24 and 32 bits by masks; rows
// from either end. Alpha is dropped. What only printers use (JPEG or PNG inside) is refused.
#include <bit>

#include "engine/vision/decoders.h"

namespace luthier::detail {

namespace {

constexpr std::size_t kFileHead = 14;
constexpr std::uint32_t kPlain = 0, kRle8 = 1, kRle4 = 2, kMasks = 3, kMasksWithAlpha = 6;

Error broken_bmp(const std::string& why) {
  return input_error("The BMP picture is broken: " + why + ".", {},
                     "Replace it or take its row out.");
}

Error unread(const std::string& what) {
  return input_error("The BMP picture " + what + ", which is not read.", {},
                     "Save it as PNG or JPEG.");
}

std::uint32_t u16(Bytes bytes, std::size_t at) {
  return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8;
}
std::uint32_t u32(Bytes bytes, std::size_t at) { return u16(bytes, at) | u16(bytes, at + 2) << 16; }

struct Bitmap {
  std::uint32_t width = 0, height = 0, bits = 0, compression = kPlain;
  bool from_top = false;
  std::size_t pixels = 0;  // where they start
  Bytes palette;
  std::size_t palette_step = 4;
  std::uint32_t masks[3] = {0, 0, 0};
};

Result<Bitmap> read_head(Bytes bytes) {
  if (bytes.size() < kFileHead + 4) return broken_bmp("the file ends before its header");
  const std::size_t head = u32(bytes, kFileHead);
  if (head < 12 || head > 4096 || bytes.size() - kFileHead < head)
    return broken_bmp("the file ends before its header");
  Bitmap map;
  map.pixels = u32(bytes, 10);
  std::size_t colours = 0;
  if (head == 12) {
    map.width = u16(bytes, 18);
    map.height = u16(bytes, 20);
    map.bits = u16(bytes, 24);
    map.palette_step = 3;
  } else if (head >= 40) {
    map.width = u32(bytes, 18);
    map.height = u32(bytes, 22);
    map.from_top = map.height > 0x7fffffffu;
    if (map.from_top) map.height = 0u - map.height;
    map.bits = u16(bytes, 28);
    map.compression = u32(bytes, 30);
    colours = u32(bytes, 46);
  } else {
    return unread("has a header of " + std::to_string(head) + " bytes");
  }
  if (map.width > 0x7fffffffu || map.height > 0x7fffffffu)
    return broken_bmp("its size is out of range");
  std::size_t at = kFileHead + head;
  if (map.compression == kMasks || map.compression == kMasksWithAlpha) {
    const std::size_t masks = kFileHead + 40;  // inside of later headers, behind the first one
    if (bytes.size() < masks + 12) return broken_bmp("the file ends before its header");
    for (std::size_t i = 0; i < 3; ++i) map.masks[i] = u32(bytes, masks + 4 * i);
    if (head == 40) at += map.compression == kMasks ? 12 : 16;
    const bool none = !map.masks[0] && !map.masks[1] && !map.masks[2];
    if (none && map.bits != 32) return broken_bmp("its colour masks are empty");
    if (none) map.masks[0] = 0xff0000, map.masks[1] = 0xff00, map.masks[2] = 0xff;
  } else if (map.bits == 16) {
    map.masks[0] = 0x7c00, map.masks[1] = 0x3e0, map.masks[2] = 0x1f;
  } else {
    map.masks[0] = 0xff0000, map.masks[1] = 0xff00, map.masks[2] = 0xff;
  }
  if (map.bits <= 8) {
    const std::size_t most = std::size_t{1} << std::min<std::uint32_t>(map.bits, 8);
    if (colours == 0 || colours > most) colours = most;
    if (bytes.size() < at) return broken_bmp("the file ends in its colours");
    colours = std::min(colours, (bytes.size() - at) / map.palette_step);
    map.palette = bytes.subspan(at, colours * map.palette_step);
  }
  return map;
}

Status check_kind(const Bitmap& map) {
  const bool indexed = map.bits == 1 || map.bits == 4 || map.bits == 8;
  const bool masked = map.bits == 16 || map.bits == 24 || map.bits == 32;
  if (!indexed && !masked) return unread("has " + std::to_string(map.bits) + " bits a pixel");
  const bool fits = map.compression == kPlain || (map.compression == kRle8 && map.bits == 8) ||
                    (map.compression == kRle4 && map.bits == 4) ||
                    ((map.compression == kMasks || map.compression == kMasksWithAlpha) && masked);
  if (!fits) return unread("is packed by method " + std::to_string(map.compression));
  return {};
}

/// A mask's part of a pixel, stretched to 0..255 as Pillow stretches 5 and 6 bits.
std::uint8_t channel(std::uint32_t pixel, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint32_t most = mask >> shift, value = (pixel & mask) >> shift;
  if (most == 255) return static_cast<std::uint8_t>(value);
  return static_cast<std::uint8_t>(std::uint64_t{value} * 255 / most);
}

/// Writes one row of pixels. `number` counts as the file does: from the bottom, mostly.
class Canvas {
 public:
  Canvas(const Bitmap& map, Image& image) : map_(map), image_(image) {}
  void put(std::uint32_t x, std::uint32_t number, std::uint32_t index) {
    std::uint8_t* to = pixel(x, number);
    const std::size_t at = index * map_.palette_step;
    const bool known = at + 3 <= map_.palette.size();
    for (std::size_t c = 0; c < 3; ++c)
      to[c] = known ? static_cast<std::uint8_t>(byte_at(map_.palette, at + 2 - c)) : 0;
  }
  std::uint8_t* pixel(std::uint32_t x, std::uint32_t number) {
    const std::size_t y = map_.from_top ? number : map_.height - 1 - number;
    return image_.rgb.data() + (y * map_.width + x) * 3;
  }

 private:
  const Bitmap& map_;
  Image& image_;
};

Status read_plain(Bytes bytes, const Bitmap& map, Canvas& canvas) {
  const std::size_t stride = (std::size_t{map.width} * map.bits + 31) / 32 * 4;
  const std::size_t needed = (std::size_t{map.width} * map.bits + 7) / 8;
  if (map.pixels > bytes.size()) return broken_bmp("its pixels are missing");
  for (std::uint32_t row = 0; row < map.height; ++row) {
    const std::size_t start = map.pixels + row * stride;
    if (start > bytes.size() || bytes.size() - start < needed)
      return broken_bmp("the file ends early");
    const Bytes line = bytes.subspan(start, needed);
    for (std::uint32_t x = 0; x < map.width; ++x) {
      if (map.bits <= 8) {
        const std::uint32_t per_byte = 8 / map.bits, place = x % per_byte;
        const std::uint32_t shift = 8 - map.bits * (place + 1);
        canvas.put(x, row, byte_at(line, x / per_byte) >> shift & ((1u << map.bits) - 1));
        continue;
      }
      const std::size_t step = map.bits / 8;
      std::uint32_t value = 0;
      for (std::size_t i = 0; i < step; ++i) value |= byte_at(line, x * step + i) << (8 * i);
      std::uint8_t* to = canvas.pixel(x, row);
      for (std::size_t c = 0; c < 3; ++c) to[c] = channel(value, map.masks[c]);
    }
  }
  return {};
}

/// Runs and single pixels by turns; what they leave out has the first colour.
Status read_runs(Bytes bytes, const Bitmap& map, Canvas& canvas) {
  for (std::uint32_t row = 0; row < map.height; ++row)
    for (std::uint32_t x = 0; x < map.width; ++x) canvas.put(x, row, 0);
  std::size_t at = map.pixels;
  std::uint32_t x = 0, row = 0;
  const auto put = [&](std::uint32_t index) {
    if (x < map.width && row < map.height) canvas.put(x, row, index);
    ++x;
  };
  while (row < map.height) {
    if (at > bytes.size() || bytes.size() - at < 2) return broken_bmp("the file ends early");
    const std::uint32_t count = byte_at(bytes, at), value = byte_at(bytes, at + 1);
    at += 2;
    if (count > 0) {
      for (std::uint32_t i = 0; i < count; ++i)
        put(map.bits == 8 ? value : i % 2 == 0 ? value >> 4 : value & 15);
    } else if (value == 0) {
      x = 0;
      ++row;
    } else if (value == 1) {
      return {};
    } else if (value == 2) {
      if (bytes.size() - at < 2) return broken_bmp("the file ends early");
      x += byte_at(bytes, at);
      row += byte_at(bytes, at + 1);
      at += 2;
    } else {
      const std::size_t length = map.bits == 8 ? value : (value + 1) / 2;
      if (bytes.size() - at < length) return broken_bmp("the file ends early");
      for (std::uint32_t i = 0; i < value; ++i) {
        const std::uint32_t byte = byte_at(bytes, at + (map.bits == 8 ? i : i / 2));
        put(map.bits == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
      }
      at += length + (length & 1);
    }
    if (x > 0 && row + 1 == map.height && x >= map.width) return {};  // the last row is full
  }
  return {};
}

}  // namespace

Result<Header> bmp_header(Bytes bytes) {
  LUTHIER_TRY(const Bitmap map, read_head(bytes));
  LUTHIER_CHECK(check_kind(map));
  Header header;
  header.width = static_cast<int>(map.width);
  header.height = static_cast<int>(map.height);
  return header;
}

Result<Image> decode_bmp(Bytes bytes, const DecodeLimits& limits) {
  LUTHIER_TRY(const Bitmap map, read_head(bytes));
  LUTHIER_CHECK(check_kind(map));
  LUTHIER_CHECK(check_pixels(map.width, map.height, limits));
  Image image;
  image.width = static_cast<int>(map.width);
  image.height = static_cast<int>(map.height);
  image.rgb.resize(std::size_t{map.width} * map.height * 3);
  Canvas canvas(map, image);
  const bool runs = map.compression == kRle8 || map.compression == kRle4;
  LUTHIER_CHECK(runs ? read_runs(bytes, map, canvas) : read_plain(bytes, map, canvas));
  return image;
}

}  // namespace luthier::detail
