// SPDX-License-Identifier: GPL-3.0-or-later
// PNG through libpng, converted as Pillow's convert("RGB") does it: 16-bit colour keeps the high
// byte, 16-bit gray is clamped to 255 (Pillow has it as integers), small grays are stretched, alpha
// is dropped, palette entries that the file lacks are black.
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "engine/vision/decoders.h"

namespace luthier {

namespace detail {

namespace {

constexpr std::size_t kSignature = 8;

std::uint32_t big_endian(Bytes bytes, std::size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 |
         byte_at(bytes, at + 3);
}

// libpng reports through longjmp, so all that a failed read must free lives here, outside the frame
// that jumps.
struct Reader {
  Bytes bytes;
  std::size_t at = 0;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string message;
  png_uint_32 width = 0, height = 0;
  int depth = 0, color = 0;
  std::size_t row_bytes = 0;
  std::vector<std::uint8_t> samples;
  std::vector<png_bytep> rows;
  std::uint8_t palette[256][3] = {};

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  reader->message = message ? message : "";
  std::longjmp(png_jmpbuf(png), 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, png_size_t count) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader->bytes.size() - reader->at) png_error(png, "the file ends early");
  std::memcpy(to, reader->bytes.data() + reader->at, count);
  reader->at += count;
}

bool read_header(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_read_fn(reader.png, &reader, on_read);
  png_set_user_limits(reader.png, 0x7fffffff, 0x7fffffff);
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr,
                              -1);  // profiles, text and the like: never inflated
  png_read_info(reader.png, reader.info);
  png_get_IHDR(reader.png, reader.info, &reader.width, &reader.height, &reader.depth, &reader.color,
               nullptr, nullptr, nullptr);
  png_colorp entries = nullptr;
  int count = 0;
  if (png_get_PLTE(reader.png, reader.info, &entries, &count))
    for (int i = 0; i < count && i < 256; ++i) {
      reader.palette[i][0] = entries[i].red;
      reader.palette[i][1] = entries[i].green;
      reader.palette[i][2] = entries[i].blue;
    }
  if (reader.depth < 8) png_set_packing(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  reader.row_bytes = png_get_rowbytes(reader.png, reader.info);
  return true;
}

bool read_rows(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, reader.rows.data());
  return true;
}

void row_to_rgb(const Reader& reader, const std::uint8_t* from, std::uint8_t* to) {
  const std::size_t width = reader.width;
  const std::size_t step = reader.depth == 16 ? 2 : 1;  // the high byte comes first
  const auto gray = [&](std::size_t x, std::uint8_t value) {
    to[3 * x] = to[3 * x + 1] = to[3 * x + 2] = value;
  };
  switch (reader.color) {
    case PNG_COLOR_TYPE_GRAY: {
      if (reader.depth == 16) {
        for (std::size_t x = 0; x < width; ++x) gray(x, from[2 * x] ? 255 : from[2 * x + 1]);
      } else {
        const unsigned stretch = 255u / ((1u << reader.depth) - 1);
        for (std::size_t x = 0; x < width; ++x)
          gray(x, static_cast<std::uint8_t>(from[x] * stretch));
      }
      break;
    }
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      for (std::size_t x = 0; x < width; ++x) gray(x, from[2 * step * x]);
      break;
    case PNG_COLOR_TYPE_PALETTE:
      for (std::size_t x = 0; x < width; ++x) std::memcpy(to + 3 * x, reader.palette[from[x]], 3);
      break;
    default: {
      const std::size_t channels = reader.color == PNG_COLOR_TYPE_RGB_ALPHA ? 4 : 3;
      for (std::size_t x = 0; x < width; ++x)
        for (std::size_t c = 0; c < 3; ++c) to[3 * x + c] = from[step * (channels * x + c)];
    }
  }
}

}  // namespace

Result<Header> png_header(Bytes bytes) {
  if (bytes.size() < kSignature + 25 || !starts_with(bytes.subspan(kSignature + 4), "IHDR"))
    return input_error("The PNG file ends before its header, or has none.", {},
                       "Replace it or take its row out.");
  Header header;
  const std::uint32_t width = big_endian(bytes, kSignature + 8),
                      height = big_endian(bytes, kSignature + 12);
  if (width > 0x7fffffffu || height > 0x7fffffffu)
    return input_error("The PNG file's size is out of range.");
  header.width = static_cast<int>(width);
  header.height = static_cast<int>(height);
  std::optional<int> exif, xmp;
  std::size_t at = kSignature;
  header.complete = false;
  while (bytes.size() - at >= 12) {
    const std::uint32_t length = big_endian(bytes, at);
    const Bytes type = bytes.subspan(at + 4, 4);
    if (starts_with(type, "IEND")) {
      header.complete = true;
      break;
    }
    if (length > bytes.size() - at - 12) break;
    const Bytes data = bytes.subspan(at + 8, length);
    if (starts_with(type, "eXIf")) exif = exif_orientation(data);
    if (starts_with(type, "iTXt") && starts_with(data, std::string_view("XML:com.adobe.xmp\0", 18)))
      xmp = xmp_orientation(data);
    at += std::size_t{length} + 12;
  }
  header.orientation = exif ? *exif : xmp.value_or(1);
  return header;
}

Result<Image> decode_png(Bytes bytes, const DecodeLimits& limits) {
  Reader reader;
  reader.bytes = bytes;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.png) reader.info = png_create_info_struct(reader.png);
  if (!reader.info) return machine_error("There is no memory for a PNG reader.");
  const auto failed = [&] {
    return input_error("The PNG picture is broken: " + reader.message + ".", {},
                       "Replace it or take its row out.");
  };
  if (!read_header(reader)) return failed();
  LUTHIER_CHECK(check_pixels(reader.width, reader.height, limits));
  reader.samples.resize(reader.row_bytes * reader.height);
  reader.rows.resize(reader.height);
  for (std::size_t y = 0; y < reader.height; ++y)
    reader.rows[y] = reader.samples.data() + y * reader.row_bytes;
  if (!read_rows(reader)) return failed();

  Image image;
  image.width = static_cast<int>(reader.width);
  image.height = static_cast<int>(reader.height);
  image.rgb.resize(std::size_t{reader.width} * reader.height * 3);
  for (std::size_t y = 0; y < reader.height; ++y)
    row_to_rgb(reader, reader.rows[y], image.rgb.data() + y * reader.width * 3);
  return image;
}

}  // namespace detail

Result<std::vector<std::uint8_t>> encode_png(const Image& image) {
  if (image.width <= 0 || image.height <= 0 ||
      image.rgb.size() != std::size_t(image.width) * std::size_t(image.height) * 3)
    return input_error("A picture without pixels cannot be written as PNG.");
  png_image out{};
  out.version = PNG_IMAGE_VERSION;
  out.width = static_cast<png_uint_32>(image.width);
  out.height = static_cast<png_uint_32>(image.height);
  out.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> bytes(PNG_IMAGE_PNG_SIZE_MAX(out));
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&out, bytes.data(), &size, 0, image.rgb.data(), 0, nullptr)) {
    const std::string message = out.message;
    png_image_free(&out);
    return machine_error("The PNG picture could not be written: " + message + ".");
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace luthier
