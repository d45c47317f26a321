// SPDX-License-Identifier: GPL-3.0-or-later
// TIFF: the first page through libtiff, its samples turned into RGB as Pillow's convert("RGB") does
// it (16-bit colour keeps the high byte, 16-bit gray is clamped, ink over black is taken off,
// colour that was multiplied by alpha is divided by it). The size comes from the first directory
// alone, read here.
#include <tiffio.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/vision/decoders.h"

namespace luthier::detail {

namespace {

constexpr std::uint32_t kWidth = 256, kHeight = 257, kTurn = 274;
constexpr std::uint64_t kMostEntries = 4096, kMostSamples = 64;

Error broken_tiff(const std::string& why) {
  return input_error("The TIFF picture is broken: " + why + ".", {},
                     "Replace it or take its row out.");
}

/// The first directory's numbers, by hand: libtiff wants the whole file.
class Directory {
 public:
  explicit Directory(Bytes bytes) : bytes_(bytes), little_(starts_with(bytes, "II")) {}

  bool number(std::uint64_t at, int size, std::uint64_t& value) const {
    if (at > bytes_.size() || bytes_.size() - at < static_cast<std::uint64_t>(size)) return false;
    value = 0;
    for (int i = 0; i < size; ++i) {
      const int place = little_ ? i : size - 1 - i;
      value |= std::uint64_t{byte_at(bytes_, at + static_cast<std::uint64_t>(i))} << (8 * place);
    }
    return true;
  }

 private:
  Bytes bytes_;
  bool little_;
};

struct Page {
  std::uint64_t width = 0, height = 0, turn = 1;
};

/// False when the bytes end before the directory does.
bool read_page(Bytes bytes, Page& page) {
  const Directory file(bytes);
  std::uint64_t version = 0, at = 0, count = 0;
  if (!file.number(2, 2, version)) return false;
  const bool big = version == 43;
  if (!file.number(big ? 8 : 4, big ? 8 : 4, at)) return false;
  const int count_size = big ? 8 : 2, entry_size = big ? 20 : 12;
  if (!file.number(at, count_size, count)) return false;
  at += static_cast<std::uint64_t>(count_size);
  for (std::uint64_t i = 0; i < std::min(count, kMostEntries); ++i) {
    const std::uint64_t entry = at + i * static_cast<std::uint64_t>(entry_size);
    std::uint64_t tag = 0, type = 0, value = 0;
    if (!file.number(entry, 2, tag) || !file.number(entry + 2, 2, type)) return false;
    if (!file.number(entry + static_cast<std::uint64_t>(entry_size) - 1, 1, value)) return false;
    if (tag != kWidth && tag != kHeight && tag != kTurn) continue;
    constexpr std::uint64_t kByte = 1, kShort = 3, kLong = 4, kLong8 = 16;
    const int size = type == kByte           ? 1
                     : type == kShort        ? 2
                     : type == kLong         ? 4
                     : type == kLong8 && big ? 8
                                             : 0;
    if (size == 0 || !file.number(entry + (big ? 12 : 8), size, value)) continue;
    (tag == kWidth ? page.width : tag == kHeight ? page.height : page.turn) = value;
  }
  return true;
}

/// What libtiff reads from, and the first thing it had to say.
struct Source {
  Bytes bytes;
  std::uint64_t at = 0;
  std::string message;
};

Source& source_of(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t on_read(thandle_t handle, void* to, tmsize_t size) {
  Source& source = source_of(handle);
  if (size < 0 || source.at > source.bytes.size()) return 0;
  const std::uint64_t there = source.bytes.size() - source.at;
  const std::uint64_t given = std::min<std::uint64_t>(static_cast<std::uint64_t>(size), there);
  if (given > 0) std::memcpy(to, source.bytes.data() + source.at, given);
  source.at += given;
  return static_cast<tmsize_t>(given);
}

tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }

toff_t on_seek(thandle_t handle, toff_t offset, int from) {
  Source& source = source_of(handle);
  const std::uint64_t base = from == SEEK_CUR   ? source.at
                             : from == SEEK_END ? source.bytes.size()
                                                : 0;
  source.at = base + offset;
  return source.at;
}

int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return source_of(handle).bytes.size(); }

int on_error(TIFF*, void* user, const char*, const char* format, va_list values) {
  auto& source = *static_cast<Source*>(user);
  char text[256] = {};
  std::vsnprintf(text, sizeof text, format, values);
  if (source.message.empty()) source.message = text;
  while (source.message.ends_with('.')) source.message.pop_back();
  return 1;
}

int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using Tiff = std::unique_ptr<TIFF, void (*)(TIFF*)>;

Tiff open_tiff(Source& source, std::uint64_t memory) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (!options) return Tiff(nullptr, TIFFClose);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, &source);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(memory));
  // m: no mapping, there is nothing to map
  return Tiff(TIFFClientOpenExt("picture", "rm", &source, on_read, on_write, on_seek, on_close,
                                on_size, nullptr, nullptr, options.get()),
              TIFFClose);
}

struct Layout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT, planar = PLANARCONFIG_CONTIG;
  std::uint16_t colour = PHOTOMETRIC_MINISWHITE, packing = COMPRESSION_NONE;
  std::uint16_t extra = 0xffff;  // what the first sample beyond the colours is
  std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
};

Layout read_layout(TIFF* tiff) {
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout.packing);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.colour);
  std::uint16_t count = 0, *kinds = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) && count > 0 && kinds)
    layout.extra = kinds[0];
  if (layout.colour == PHOTOMETRIC_PALETTE &&
      !TIFFGetField(tiff, TIFFTAG_COLORMAP, &layout.red, &layout.green, &layout.blue))
    layout.red = nullptr;
  return layout;
}

std::uint8_t times_255(unsigned a, unsigned b) {  // a * b / 255, rounded
  const unsigned product = a * b + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

/// Rows of samples that belong together: a strip's or a tile's, one plane or all.
class Samples {
 public:
  Samples(const std::uint8_t* row, const Layout& layout) : row_(row), layout_(layout) {}

  /// As a number that fills 8 bits where the file has fewer.
  double number(std::size_t index) const {
    switch (layout_.bits) {
      case 16: {
        std::uint16_t value = 0;
        std::memcpy(&value, row_ + 2 * index, 2);
        if (layout_.format == SAMPLEFORMAT_INT) return static_cast<std::int16_t>(value);
        return value;
      }
      case 32: {
        std::uint32_t value = 0;
        std::memcpy(&value, row_ + 4 * index, 4);
        if (layout_.format == SAMPLEFORMAT_INT) return static_cast<std::int32_t>(value);
        if (layout_.format != SAMPLEFORMAT_IEEEFP) return value;
        float real = 0;
        std::memcpy(&real, &value, 4);
        return real;
      }
      default: return bits(index);
    }
  }
  /// The value itself, of up to 8 bits.
  std::uint32_t bits(std::size_t index) const {
    if (layout_.bits == 8) return row_[index];
    const std::size_t at = index * layout_.bits;
    const std::uint32_t shift = 8u - layout_.bits - static_cast<std::uint32_t>(at % 8);
    return row_[at / 8] >> shift & ((1u << layout_.bits) - 1);
  }
  /// A colour's 8 bits: the value, or the high byte of 16.
  std::uint8_t byte(std::size_t index) const {
    if (layout_.bits == 8) return row_[index];
    std::uint16_t value = 0;
    std::memcpy(&value, row_ + 2 * index, 2);
    return static_cast<std::uint8_t>(value >> 8);
  }

 private:
  const std::uint8_t* row_;
  const Layout& layout_;
};

std::uint8_t clamped(double value) {
  return value > 0 ? static_cast<std::uint8_t>(std::min(value, 255.0)) : 0;  // NaN: 0
}

bool is_gray(const Layout& layout) {
  return layout.colour == PHOTOMETRIC_MINISWHITE || layout.colour == PHOTOMETRIC_MINISBLACK;
}

/// How many of the samples are colours, where rows of samples can be read so; 0 where libtiff's own
/// conversion has to do (chroma in fewer samples, Lab, bits of odd sizes).
std::uint16_t colours_of(const Layout& layout) {
  const bool small = layout.bits == 1 || layout.bits == 2 || layout.bits == 4 || layout.bits == 8;
  const bool whole = layout.format == SAMPLEFORMAT_UINT || layout.format == SAMPLEFORMAT_VOID;
  if (is_gray(layout)) {
    const bool signed_wide = layout.format == SAMPLEFORMAT_INT && layout.bits >= 16;
    const bool real = layout.format == SAMPLEFORMAT_IEEEFP && layout.bits == 32;
    const bool wide = layout.bits == 16 || layout.bits == 32;
    return (small && whole) || (wide && (whole || signed_wide)) || real ? 1 : 0;
  }
  if (layout.colour == PHOTOMETRIC_PALETTE) return small && whole && layout.red ? 1 : 0;
  if (!whole || (layout.bits != 8 && layout.bits != 16)) return 0;
  if (layout.colour == PHOTOMETRIC_SEPARATED) return 4;
  if (layout.colour == PHOTOMETRIC_RGB) return 3;
  // JPEG inside is turned into RGB while it is unpacked.
  const bool jpeg = layout.colour == PHOTOMETRIC_YCBCR && layout.packing == COMPRESSION_JPEG;
  return jpeg && layout.bits == 8 ? 3 : 0;
}

/// Colours that Pillow, by whose pixels models were trained, turns into others than libtiff does;
/// null: it does not.
const char* other_colours(const Layout& layout) {
  const bool raw = layout.packing == COMPRESSION_NONE;
  if (layout.colour == PHOTOMETRIC_YCBCR && raw) return "YCbCr without compression";
  if (layout.colour == PHOTOMETRIC_CIELAB) return "CIE L*a*b*";
  if (layout.colour == PHOTOMETRIC_ICCLAB) return "ICC L*a*b*";
  if (layout.colour == PHOTOMETRIC_ITULAB) return "ITU L*a*b*";
  return nullptr;
}

class PageReader {
 public:
  PageReader(TIFF* tiff, const Layout& layout, Image& image)
      : tiff_(tiff), layout_(layout), image_(image) {}

  /// Why libtiff will not convert it, where it said so.
  const std::string& reason() const { return reason_; }

  bool read(std::uint64_t memory) {
    colours_ = colours_of(layout_);
    if (colours_ == 0 || colours_ > layout_.samples) return read_converted();
    const bool apart = layout_.planar == PLANARCONFIG_SEPARATE && layout_.samples > 1;
    const bool with_alpha =
        colours_ == 3 && layout_.extra == EXTRASAMPLE_ASSOCALPHA && layout_.samples > 3;
    const std::uint16_t planes =
        apart ? static_cast<std::uint16_t>(colours_ + (with_alpha ? 1 : 0)) : std::uint16_t{1};
    const bool tiled = TIFFIsTiled(tiff_);
    std::uint32_t wide = layout_.width, high = layout_.height;
    if (tiled) {
      TIFFGetField(tiff_, TIFFTAG_TILEWIDTH, &wide);
      TIFFGetField(tiff_, TIFFTAG_TILELENGTH, &high);
    } else {
      TIFFGetFieldDefaulted(tiff_, TIFFTAG_ROWSPERSTRIP, &high);
      high = std::min(high, layout_.height);
    }
    const tmsize_t size = tiled ? TIFFTileSize(tiff_) : TIFFStripSize(tiff_);
    const tmsize_t row_size = tiled ? TIFFTileRowSize(tiff_) : TIFFScanlineSize(tiff_);
    const std::uint64_t row_bits =
        std::uint64_t{wide} * layout_.bits * (apart ? 1 : layout_.samples);
    if (wide == 0 || high == 0 || size <= 0 || row_size <= 0) return false;
    if (static_cast<std::uint64_t>(size) > memory) return false;
    if (static_cast<std::uint64_t>(row_size) < (row_bits + 7) / 8) return false;
    if (static_cast<std::uint64_t>(size) < static_cast<std::uint64_t>(row_size) * high)
      return false;
    std::vector<std::vector<std::uint8_t>> parts(planes);
    for (auto& part : parts) part.resize(static_cast<std::size_t>(size));
    for (std::uint32_t top = 0; top < layout_.height; top += high) {
      for (std::uint32_t left = 0; left < layout_.width; left += wide) {
        const std::uint32_t rows = std::min(high, layout_.height - top);
        for (std::uint16_t plane = 0; plane < planes; ++plane) {
          const tmsize_t wanted = tiled ? size : row_size * static_cast<tmsize_t>(rows);
          const tmsize_t got =
              tiled ? TIFFReadEncodedTile(tiff_, TIFFComputeTile(tiff_, left, top, 0, plane),
                                          parts[plane].data(), size)
                    : TIFFReadEncodedStrip(tiff_, TIFFComputeStrip(tiff_, top, plane),
                                           parts[plane].data(), wanted);
          if (got < wanted) return false;
        }
        const std::uint32_t columns = std::min(wide, layout_.width - left);
        for (std::uint32_t row = 0; row < rows; ++row) {
          const std::size_t offset = static_cast<std::size_t>(row_size) * row;
          convert(parts, offset, columns, (std::size_t{top} + row) * layout_.width + left);
        }
      }
      if (high > layout_.height - top) break;
    }
    return true;
  }

 private:
  /// `columns` pixels of one row, to the picture's pixel `to`.
  void convert(const std::vector<std::vector<std::uint8_t>>& parts, std::size_t offset,
               std::uint32_t columns, std::size_t to) const {
    const bool apart = parts.size() > 1;
    const auto sample = [&](std::uint32_t x, std::uint16_t number) {
      const Samples row(parts[apart ? number : 0].data() + offset, layout_);
      return row.byte(apart ? x : std::size_t{x} * layout_.samples + number);
    };
    const Samples first(parts[0].data() + offset, layout_);
    const std::size_t step = apart || layout_.planar == PLANARCONFIG_SEPARATE ? 1 : layout_.samples;
    for (std::uint32_t x = 0; x < columns; ++x) {
      std::uint8_t* out = image_.rgb.data() + (to + x) * 3;
      if (is_gray(layout_)) {
        std::memset(out, gray(first, x * step), 3);
      } else if (layout_.colour == PHOTOMETRIC_PALETTE) {
        const std::uint32_t index = first.bits(x * step);
        out[0] = static_cast<std::uint8_t>(layout_.red[index] >> 8);
        out[1] = static_cast<std::uint8_t>(layout_.green[index] >> 8);
        out[2] = static_cast<std::uint8_t>(layout_.blue[index] >> 8);
      } else if (colours_ == 4) {
        const std::uint8_t light = static_cast<std::uint8_t>(255 - sample(x, 3));
        for (std::uint16_t c = 0; c < 3; ++c)
          out[c] = static_cast<std::uint8_t>(light - times_255(sample(x, c), light));
      } else {
        for (std::uint16_t c = 0; c < 3; ++c) out[c] = sample(x, c);
        if (layout_.extra == EXTRASAMPLE_ASSOCALPHA && layout_.samples > 3)
          divide(out, sample(x, 3));
      }
    }
  }

  std::uint8_t gray(const Samples& row, std::size_t index) const {
    const bool inverted = layout_.colour == PHOTOMETRIC_MINISWHITE;
    if (layout_.bits > 8) return clamped(row.number(index));  // Pillow inverts no wide gray
    const std::uint32_t most = (1u << layout_.bits) - 1;
    const std::uint32_t value = row.bits(index) * (255 / most);
    return static_cast<std::uint8_t>(inverted ? 255 - value : value);
  }

  static void divide(std::uint8_t* out, std::uint8_t alpha) {
    if (alpha == 0 || alpha == 255) {
      if (alpha == 0) std::memset(out, 0, 3);
      return;
    }
    for (int c = 0; c < 3; ++c)
      out[c] = static_cast<std::uint8_t>(std::min(255u, 255u * out[c] / alpha));
  }

  bool read_converted() {
    TIFFRGBAImage converter{};
    char reason[1024] = {};
    if (!TIFFRGBAImageBegin(&converter, tiff_, /*stop=*/1, reason)) {
      reason_ = reason;
      return false;
    }
    converter.req_orientation = converter.orientation;  // decode.cpp turns
    std::vector<std::uint32_t> pixels(std::size_t{layout_.width} * layout_.height);
    const bool done =
        TIFFRGBAImageGet(&converter, pixels.data(), layout_.width, layout_.height) != 0;
    TIFFRGBAImageEnd(&converter);
    if (!done) return false;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      image_.rgb[3 * i] = static_cast<std::uint8_t>(TIFFGetR(pixels[i]));
      image_.rgb[3 * i + 1] = static_cast<std::uint8_t>(TIFFGetG(pixels[i]));
      image_.rgb[3 * i + 2] = static_cast<std::uint8_t>(TIFFGetB(pixels[i]));
    }
    return true;
  }

  TIFF* tiff_;
  const Layout& layout_;
  Image& image_;
  std::uint16_t colours_ = 0;
  std::string reason_;
};

}  // namespace

Result<Header> tiff_header(Bytes bytes) {
  Page page;
  Header header;
  header.complete = read_page(bytes, page);
  if (!header.complete) return broken_tiff("the file ends before its first directory");
  if (page.width == 0 || page.height == 0) return broken_tiff("its first directory names no size");
  if (page.width > 0x7fffffffu || page.height > 0x7fffffffu)
    return broken_tiff("its size is out of range");
  header.width = static_cast<int>(page.width);
  header.height = static_cast<int>(page.height);
  header.orientation = page.turn >= 1 && page.turn <= 8 ? static_cast<int>(page.turn) : 1;
  return header;
}

Result<Image> decode_tiff(Bytes bytes, const DecodeLimits& limits) {
  LUTHIER_TRY(const Header header, tiff_header(bytes));
  const auto width = static_cast<std::uint64_t>(header.width);
  const auto height = static_cast<std::uint64_t>(header.height);
  LUTHIER_CHECK(check_pixels(width, height, limits));
  constexpr std::uint64_t kMostPixelBytes = 16, kRoom = 64u << 20;  // tables, tiles' edges
  const std::uint64_t memory = width * height * kMostPixelBytes + kRoom;
  Source source{bytes, 0, {}};
  const Tiff tiff = open_tiff(source, memory);
  const auto failed = [&] {
    return broken_tiff(source.message.empty() ? "its pixels cannot be read" : source.message);
  };
  if (!tiff) return failed();
  const Layout layout = read_layout(tiff.get());
  LUTHIER_CHECK(check_pixels(layout.width, layout.height, limits));
  if (layout.samples == 0 || layout.samples > kMostSamples)
    return broken_tiff("it has too many channels");
  if (const char* colours = other_colours(layout))
    return input_error("The TIFF's colours are " + std::string(colours) + ", which are not read.",
                       "", "Save the picture with RGB colours.");
  if (layout.packing == COMPRESSION_JPEG && layout.colour == PHOTOMETRIC_YCBCR)
    TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  Image image;
  image.width = static_cast<int>(layout.width);
  image.height = static_cast<int>(layout.height);
  image.rgb.resize(std::size_t{layout.width} * layout.height * 3);
  PageReader reader(tiff.get(), layout, image);
  if (reader.read(memory)) return image;
  if (source.message.empty()) source.message = reader.reason();
  return failed();
}

}  // namespace luthier::detail
