// SPDX-License-Identifier: GPL-3.0-or-later
// JPEG through libjpeg-turbo with its defaults (integer slow DCT, fancy upsampling: Pillow's too).
// Four-channel files are read as Adobe writes them, inverted, and converted as Pillow does. A file
// that ends early is refused, not filled up with gray.
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>

#include <csetjmp>

#include "engine/vision/decoders.h"

namespace luthier::detail {

namespace {

constexpr int kMaxScans = 500;  // a progressive file of thousands of scans costs minutes

struct Reader {
  jpeg_error_mgr errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  jpeg_decompress_struct jpeg{};
  std::jmp_buf jump;
  std::string message;
  bool created = false;
  std::vector<std::uint8_t> row;
  Image image;

  ~Reader() {
    if (created) jpeg_destroy_decompress(&jpeg);
  }
};

Reader& reader_of(j_common_ptr jpeg) { return *static_cast<Reader*>(jpeg->client_data); }

void on_error(j_common_ptr jpeg) {
  char text[JMSG_LENGTH_MAX] = {};
  jpeg->err->format_message(jpeg, text);
  Reader& reader = reader_of(jpeg);
  if (reader.message.empty()) reader.message = text;
  std::longjmp(reader.jump, 1);
}

void on_message(j_common_ptr, int) {}

boolean on_empty(j_decompress_ptr jpeg) {
  Reader& reader = reader_of(reinterpret_cast<j_common_ptr>(jpeg));
  reader.message = "the file ends early";
  std::longjmp(reader.jump, 1);
}

void on_skip(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  if (static_cast<std::size_t>(count) > jpeg->src->bytes_in_buffer) on_empty(jpeg);
  jpeg->src->next_input_byte += count;
  jpeg->src->bytes_in_buffer -= static_cast<std::size_t>(count);
}

void on_progress(j_common_ptr jpeg) {
  auto* decompress = reinterpret_cast<j_decompress_ptr>(jpeg);
  if (decompress->input_scan_number <= kMaxScans) return;
  Reader& reader = reader_of(jpeg);
  reader.message = "it has more than " + std::to_string(kMaxScans) + " scans";
  std::longjmp(reader.jump, 1);
}

bool read_header(Reader& reader, Bytes bytes) {
  jpeg_decompress_struct& jpeg = reader.jpeg;
  jpeg.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  jpeg.client_data = &reader;
  if (setjmp(reader.jump)) return false;
  jpeg_create_decompress(&jpeg);
  reader.created = true;
  reader.source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  reader.source.bytes_in_buffer = bytes.size();
  reader.source.init_source = [](j_decompress_ptr) {};
  reader.source.fill_input_buffer = on_empty;
  reader.source.skip_input_data = on_skip;
  reader.source.resync_to_restart = jpeg_resync_to_restart;
  reader.source.term_source = [](j_decompress_ptr) {};
  jpeg.src = &reader.source;
  reader.progress.progress_monitor = on_progress;
  jpeg.progress = &reader.progress;
  jpeg_read_header(&jpeg, TRUE);
  return true;
}

std::uint8_t times_255(unsigned a, unsigned b) {  // a * b / 255, rounded
  const unsigned product = a * b + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

bool read_pixels(Reader& reader) {
  jpeg_decompress_struct& jpeg = reader.jpeg;
  if (setjmp(reader.jump)) return false;
  jpeg_start_decompress(&jpeg);
  const std::size_t width = jpeg.output_width;
  while (jpeg.output_scanline < jpeg.output_height) {
    std::uint8_t* to = reader.image.rgb.data() + std::size_t{jpeg.output_scanline} * width * 3;
    JSAMPROW row = jpeg.output_components == 3 ? to : reader.row.data();
    jpeg_read_scanlines(&jpeg, &row, 1);
    if (jpeg.output_components == 1) {
      for (std::size_t x = 0; x < width; ++x) to[3 * x] = to[3 * x + 1] = to[3 * x + 2] = row[x];
    } else if (jpeg.output_components == 4) {
      for (std::size_t x = 0; x < width; ++x) {  // the file holds 255 - ink
        const std::uint8_t light = row[4 * x + 3];
        for (std::size_t c = 0; c < 3; ++c)
          to[3 * x + c] =
              static_cast<std::uint8_t>(light - times_255(255u - row[4 * x + c], light));
      }
    }
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

}  // namespace

Result<Header> jpeg_header(Bytes bytes) {
  const auto broken = [] {
    return input_error("The JPEG file ends before its header, or has none.", {},
                       "Replace it or take its row out.");
  };
  Header header;
  std::optional<int> exif, xmp;
  std::size_t at = 2;
  while (true) {
    while (at < bytes.size() && byte_at(bytes, at) != 0xff)
      ++at;  // junk between segments, which libjpeg skips too
    while (at < bytes.size() && byte_at(bytes, at) == 0xff) ++at;
    if (at >= bytes.size()) return broken();
    const std::uint32_t marker = byte_at(bytes, at++);
    if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (marker == 0xd9 || marker == 0xda) return broken();
    if (bytes.size() - at < 2) return broken();
    const std::size_t length = byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
    if (length < 2 || length > bytes.size() - at) return broken();
    const Bytes data = bytes.subspan(at + 2, length - 2);
    const bool frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) {
      if (data.size() < 5) return broken();
      header.height = static_cast<int>(byte_at(data, 1) << 8 | byte_at(data, 2));
      header.width = static_cast<int>(byte_at(data, 3) << 8 | byte_at(data, 4));
      break;
    }
    if (marker == 0xe1 && starts_with(data, std::string_view("Exif\0\0", 6)) && !exif)
      exif = exif_orientation(data);
    if (marker == 0xe1 && starts_with(data, "http://ns.adobe.com/xap/1.0/") && !xmp)
      xmp = xmp_orientation(data);
    at += length;
  }
  header.orientation = exif ? *exif : xmp.value_or(1);
  return header;
}

Result<Image> decode_jpeg(Bytes bytes, const DecodeLimits& limits) {
  Reader reader;
  const auto failed = [&] {
    return input_error("The JPEG picture is broken: " + reader.message + ".", {},
                       "Replace it or take its row out.");
  };
  if (!read_header(reader, bytes)) return failed();
  LUTHIER_CHECK(check_pixels(reader.jpeg.image_width, reader.jpeg.image_height, limits));
  const int components = reader.jpeg.num_components;
  if (components != 1 && components != 3 && components != 4)
    return input_error("The JPEG picture has " + std::to_string(components) +
                           " channels; gray, colour and CMYK are read.",
                       {}, "Convert it.");
  reader.jpeg.out_color_space = components == 1   ? JCS_GRAYSCALE
                                : components == 3 ? JCS_RGB
                                                  : JCS_CMYK;
  reader.image.width = static_cast<int>(reader.jpeg.image_width);
  reader.image.height = static_cast<int>(reader.jpeg.image_height);
  reader.image.rgb.resize(std::size_t{reader.jpeg.image_width} * reader.jpeg.image_height * 3);
  reader.row.resize(std::size_t{reader.jpeg.image_width} * 4);
  if (!read_pixels(reader)) return failed();
  return std::move(reader.image);
}

}  // namespace luthier::detail
