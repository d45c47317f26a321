// SPDX-License-Identifier: GPL-3.0-or-later
// The one EXIF field that changes pixels: orientation. A bounded reader of the first TIFF
// directory; whatever is malformed counts as "not turned", because a broken date stamp is no reason
// to refuse a picture.
#include "engine/vision/decoders.h"

namespace luthier::detail {

namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;

struct TiffReader {
  Bytes bytes;
  bool little = true;

  bool u16(std::size_t at, std::uint32_t& value) const {
    if (bytes.size() < 2 || at > bytes.size() - 2) return false;
    const std::uint32_t a = byte_at(bytes, at), b = byte_at(bytes, at + 1);
    value = little ? a | b << 8 : a << 8 | b;
    return true;
  }
  bool u32(std::size_t at, std::uint32_t& value) const {
    std::uint32_t first = 0, second = 0;
    if (!u16(at, first) || !u16(at + 2, second)) return false;
    value = little ? first | second << 16 : first << 16 | second;
    return true;
  }
};

}  // namespace

std::optional<int> exif_orientation(Bytes block) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  for (int i = 0; i < 2 && starts_with(block, kPrefix); ++i) block = block.subspan(kPrefix.size());
  TiffReader reader{block, true};
  if (starts_with(block, "MM"))
    reader.little = false;
  else if (!starts_with(block, "II"))
    return std::nullopt;

  std::uint32_t magic = 0, directory = 0, entries = 0;
  if (!reader.u16(2, magic) || magic != 42 || !reader.u32(4, directory) ||
      !reader.u16(directory, entries))
    return std::nullopt;
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t at = std::size_t{directory} + 2 + std::size_t{i} * 12;
    std::uint32_t tag = 0, type = 0, count = 0, value = 0;
    if (!reader.u16(at, tag) || !reader.u16(at + 2, type) || !reader.u32(at + 4, count))
      return std::nullopt;
    if (tag != kOrientationTag) continue;
    constexpr std::uint32_t kShort = 3, kLong = 4;
    if (count != 1 || (type != kShort && type != kLong)) return std::nullopt;
    if (!(type == kShort ? reader.u16(at + 8, value) : reader.u32(at + 8, value)))
      return std::nullopt;
    if (value > 8) return 1;
    return static_cast<int>(value);
  }
  return std::nullopt;
}

std::optional<int> xmp_orientation(Bytes packet) {
  const std::string_view text(reinterpret_cast<const char*>(packet.data()), packet.size());
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = text.find(kName); at != std::string_view::npos;
       at = text.find(kName, at + 1)) {
    std::string_view rest = text.substr(at + kName.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

}  // namespace luthier::detail
