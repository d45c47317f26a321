// SPDX-License-Identifier: GPL-3.0-or-later
// The first frame of a GIF, laid on its canvas as Pillow shows it: what the frame does not cover
// has the frame's transparent colour, or the first one. One pass over the blocks and one LZW
// reader, both bounded by the bytes that are there.
#include <array>

#include "engine/vision/decoders.h"

namespace luthier::detail {

namespace {

constexpr std::size_t kScreenEnd = 13;  // signature and logical screen
constexpr std::uint8_t kExtension = 0x21, kPicture = 0x2c, kGraphicControl = 0xf9;

Error broken_gif(const std::string& why) {
  return input_error("The GIF picture is broken: " + why + ".", {},
                     "Replace it or take its row out.");
}

std::uint32_t u16(Bytes bytes, std::size_t at) {
  return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8;
}

struct Frame {
  std::uint32_t left = 0, top = 0, width = 0, height = 0;
  std::uint32_t canvas_width = 0, canvas_height = 0;
  bool interlaced = false;
  Bytes palette;           // three bytes a colour; empty: grays
  std::uint32_t fill = 0;  // the index around the frame
  std::size_t data = 0;    // where its LZW code size stands
};

/// Past the sub-blocks that start at `at`; false when they do not end.
bool skip_blocks(Bytes bytes, std::size_t& at) {
  while (at < bytes.size()) {
    const std::size_t length = byte_at(bytes, at++);
    if (length == 0) return true;
    if (length > bytes.size() - at) return false;
    at += length;
  }
  return false;
}

/// `cut` is set where the bytes end before the first frame's head does.
Result<Frame> first_frame(Bytes bytes, bool& cut) {
  cut = true;
  if (bytes.size() < kScreenEnd) return broken_gif("the file ends before its header");
  Frame frame;
  frame.canvas_width = u16(bytes, 6);
  frame.canvas_height = u16(bytes, 8);
  std::size_t at = kScreenEnd;
  const auto read_palette = [&](std::uint32_t flags) {
    const std::size_t size = std::size_t{3} << ((flags & 7) + 1);
    if (bytes.size() - at < size) return false;
    frame.palette = bytes.subspan(at, size);
    at += size;
    return true;
  };
  const std::uint32_t flags = byte_at(bytes, 10);
  if ((flags & 0x80) && !read_palette(flags)) return broken_gif("the file ends in its colours");
  while (at < bytes.size()) {
    const std::uint32_t kind = byte_at(bytes, at++);
    if (kind == kExtension) {
      if (bytes.size() - at < 2) break;
      const std::uint32_t label = byte_at(bytes, at++);
      const std::size_t length = byte_at(bytes, at);
      if (label == kGraphicControl && length >= 4 && bytes.size() - at > 4)
        if (byte_at(bytes, at + 1) & 1) frame.fill = byte_at(bytes, at + 4);
      if (!skip_blocks(bytes, at)) break;
    } else if (kind == kPicture) {
      if (bytes.size() - at < 9) break;
      frame.left = u16(bytes, at);
      frame.top = u16(bytes, at + 2);
      frame.width = u16(bytes, at + 4);
      frame.height = u16(bytes, at + 6);
      const std::uint32_t about = byte_at(bytes, at + 8);
      at += 9;
      frame.interlaced = about & 0x40;
      // A frame that leaves the canvas makes it larger, as browsers and Pillow have it.
      frame.canvas_width = std::max(frame.canvas_width, frame.left + frame.width);
      frame.canvas_height = std::max(frame.canvas_height, frame.top + frame.height);
      cut = false;
      if ((about & 0x80) && !read_palette(about)) return broken_gif("the file ends in its colours");
      frame.data = at;
      return frame;
    } else if (kind == 0x3b) {
      cut = false;
      return broken_gif("it holds no frame");
    }
  }
  return broken_gif("the file ends before its first frame");
}

/// The bytes of the sub-blocks, one after another.
class BlockReader {
 public:
  BlockReader(Bytes bytes, std::size_t at) : bytes_(bytes), at_(at) {}
  bool next(std::uint32_t& byte) {
    while (left_ == 0) {
      if (at_ >= bytes_.size()) return false;
      left_ = byte_at(bytes_, at_++);
      if (left_ == 0) return false;
    }
    if (at_ >= bytes_.size()) return false;
    byte = byte_at(bytes_, at_++);
    --left_;
    return true;
  }

 private:
  Bytes bytes_;
  std::size_t at_;
  std::uint32_t left_ = 0;
};

constexpr std::uint32_t kMostCodes = 4096;

/// Calls put(index) for each pixel until it says that the frame is full. False when the codes end
/// early or are none.
template <class Put>
bool read_lzw(Bytes bytes, std::size_t at, Put put) {
  if (at >= bytes.size()) return false;
  const std::uint32_t bits = byte_at(bytes, at);
  if (bits < 1 || bits > 11) return false;
  BlockReader blocks(bytes, at + 1);
  const std::uint32_t clear = 1u << bits, end = clear + 1;
  std::array<std::uint16_t, kMostCodes> before{};
  std::array<std::uint8_t, kMostCodes> last{}, text{};
  std::uint32_t next = end + 1, width = bits + 1, held = 0, count = 0;
  std::int32_t previous = -1;
  std::uint8_t first = 0;
  while (true) {
    while (count < width) {
      std::uint32_t byte = 0;
      if (!blocks.next(byte)) return false;
      held |= byte << count;
      count += 8;
    }
    const std::uint32_t code = held & ((1u << width) - 1);
    held >>= width;
    count -= width;
    if (code == clear) {
      next = end + 1;
      width = bits + 1;
      previous = -1;
      continue;
    }
    if (code == end) return false;
    if (previous < 0) {
      if (code >= clear) return false;
      first = static_cast<std::uint8_t>(code);
      if (put(first)) return true;
      previous = static_cast<std::int32_t>(code);
      continue;
    }
    if (code > next || (code == next && next >= kMostCodes)) return false;
    std::size_t length = 0;
    std::uint32_t at_code = code;
    if (code == next) {
      text[length++] = first;
      at_code = static_cast<std::uint32_t>(previous);
    }
    while (at_code > end) {  // each entry names an older one, so this ends
      text[length++] = last[at_code];
      at_code = before[at_code];
    }
    first = static_cast<std::uint8_t>(at_code);
    text[length++] = first;
    if (next < kMostCodes) {
      before[next] = static_cast<std::uint16_t>(previous);
      last[next] = first;
      ++next;
      if (next == (1u << width) && width < 12) ++width;
    }
    previous = static_cast<std::int32_t>(code);
    while (length > 0)
      if (put(text[--length])) return true;
  }
}

/// Rows in the order they stand in the file.
std::uint32_t row_at(std::uint32_t number, const Frame& frame) {
  if (!frame.interlaced) return number;
  constexpr std::uint32_t kStarts[] = {0, 4, 2, 1}, kSteps[] = {8, 8, 4, 2};
  for (int pass = 0; pass < 4; ++pass) {
    const std::uint32_t rows =
        frame.height > kStarts[pass]
            ? (frame.height - kStarts[pass] + kSteps[pass] - 1) / kSteps[pass]
            : 0;
    if (number < rows) return kStarts[pass] + number * kSteps[pass];
    number -= rows;
  }
  return 0;
}

}  // namespace

Result<Header> gif_header(Bytes bytes) {
  bool cut = false;
  const auto frame = first_frame(bytes, cut);
  Header header;
  header.complete = !cut;
  if (!frame) {
    if (!cut || bytes.size() < kScreenEnd) return frame.error();
    header.width = static_cast<int>(u16(bytes, 6));
    header.height = static_cast<int>(u16(bytes, 8));
    return header;
  }
  header.width = static_cast<int>(frame->canvas_width);
  header.height = static_cast<int>(frame->canvas_height);
  return header;
}

Result<Image> decode_gif(Bytes bytes, const DecodeLimits& limits) {
  bool cut = false;
  LUTHIER_TRY(const Frame frame, first_frame(bytes, cut));
  LUTHIER_CHECK(check_pixels(frame.canvas_width, frame.canvas_height, limits));
  if (frame.width == 0 || frame.height == 0) return broken_gif("its first frame has no pixels");
  Image image;
  image.width = static_cast<int>(frame.canvas_width);
  image.height = static_cast<int>(frame.canvas_height);
  const std::size_t pixels = std::size_t{frame.canvas_width} * frame.canvas_height;
  image.rgb.resize(pixels * 3);
  const auto colour = [&](std::size_t pixel, std::uint32_t index) {
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t place = 3 * std::size_t{index} + c;
      std::uint32_t value = frame.palette.empty() ? index : 0;  // colours it lacks are black
      if (place < frame.palette.size()) value = byte_at(frame.palette, place);
      image.rgb[3 * pixel + c] = static_cast<std::uint8_t>(value);
    }
  };
  for (std::size_t i = 0; i < pixels; ++i) colour(i, frame.fill);
  std::uint32_t x = 0, number = 0;
  const bool whole = read_lzw(bytes, frame.data, [&](std::uint8_t index) {
    const std::size_t y = frame.top + row_at(number, frame);
    colour(y * frame.canvas_width + frame.left + x, index);
    if (++x == frame.width) {
      x = 0;
      ++number;
    }
    return number == frame.height;
  });
  if (!whole) return broken_gif("its pixels end early");
  return image;
}

}  // namespace luthier::detail
