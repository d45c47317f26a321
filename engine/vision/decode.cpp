// SPDX-License-Identifier: GPL-3.0-or-later
// From a file to upright RGB: the format is told by content, the size is held against the cap
// before memory is taken, one decoder a format gives the pixels, and EXIF's orientation is applied
// last.
#include "engine/io/file_kind.h"
#include "engine/io/files.h"
#include "engine/vision/decoders.h"
#include "engine/vision/inline_picture.h"

#include <atomic>
#include <fstream>
#include <new>

namespace luthier {

namespace {

using detail::Bytes;
using detail::Header;

constexpr std::uint64_t kMaxFileBytes = 1ull << 30;
/// What tells the size of most files, and what holds an EXIF segment with a thumbnail (64 KiB at
/// most) and what stands around it.
constexpr std::size_t kFirstBytes = 4 * 1024, kHeaderBytes = 128 * 1024;

struct Format {
  const char* name;
  bool (*matches)(Bytes);
  Result<Header> (*header)(Bytes);
  Result<Image> (*decode)(Bytes, const DecodeLimits&);
};

bool is_tiff(Bytes bytes) {
  using namespace std::string_view_literals;
  const auto begins = [&](std::string_view text) { return detail::starts_with(bytes, text); };
  return begins("II*\0"sv) || begins("MM\0*"sv) || begins("II+\0"sv) || begins("MM\0+"sv);
}

// Two letters are little, so the size of the header behind them must be one that exists.
bool is_bmp(Bytes bytes) {
  if (bytes.size() < 18 || !detail::starts_with(bytes, "BM")) return false;
  const std::uint32_t head = detail::byte_at(bytes, 14);
  for (std::size_t i = 15; i < 18; ++i)
    if (detail::byte_at(bytes, i) != 0) return false;
  for (const std::uint32_t known : {12u, 40u, 52u, 56u, 64u, 108u, 124u})
    if (head == known) return true;
  return false;
}

constexpr Format kFormats[] = {
    {"PNG", [](Bytes b) { return detail::starts_with(b, "\x89PNG\r\n\x1a\n"); }, detail::png_header,
     detail::decode_png},
    {"JPEG", [](Bytes b) { return detail::starts_with(b, "\xff\xd8\xff"); }, detail::jpeg_header,
     detail::decode_jpeg},
    {"WebP",
     [](Bytes b) {
       return detail::starts_with(b, "RIFF") && b.size() >= 12 &&
              detail::starts_with(b.subspan(8), "WEBP");
     },
     detail::webp_header, detail::decode_webp},
    {"GIF",
     [](Bytes b) { return detail::starts_with(b, "GIF87a") || detail::starts_with(b, "GIF89a"); },
     detail::gif_header, detail::decode_gif},
    {"TIFF", is_tiff, detail::tiff_header, detail::decode_tiff},
    {"BMP", is_bmp, detail::bmp_header, detail::decode_bmp},
};

std::atomic<std::uint64_t> decoded = 0;

const Format* format_of(Bytes bytes) {
  for (const Format& format : kFormats)
    if (format.matches(bytes)) return &format;
  return nullptr;
}

Error located(Error error, const std::string& where) {
  error.where = where;
  return error;
}

Error unknown_format(Bytes bytes, const std::string& where) {
  const std::string read = "PNG, JPEG, WebP, GIF, BMP and TIFF are read.";
  if (bytes.empty())
    return input_error("The picture file is empty.", where, "Replace it or take its row out.");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const FileKind kind = file_kind(text.substr(0, 512));
  if (kind.family == FileFamily::Pointer)
    return input_error("This is " + kind.name + ".", where, "Fetch it first: git lfs pull");
  if (kind.family == FileFamily::Picture)
    return input_error("This is " + kind.name + ", which is not read.", where,
                       "Convert it: " + read);
  if (kind.known()) return input_error("This is " + kind.name + ", not a picture.", where, read);
  return input_error("This is no picture that is known here.", where, "Convert it: " + read);
}

Error not_a_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return input_error("This is a folder, and a picture's file is needed.", path.string(),
                       "Name one of the files in it.");
  if (std::filesystem::exists(path, ignored))
    return input_error("This is no ordinary file.", path.string(), "Name a picture's file.");
  return input_error("The picture is missing.", path.string(),
                     "Put it there, or correct the path.");
}

}  // namespace

Image detail::turned(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool swap = orientation >= 5;
  Image out;
  out.width = swap ? image.height : image.width;
  out.height = swap ? image.width : image.height;
  out.rgb.resize(image.rgb.size());
  const bool mirror_x =
      orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool mirror_y =
      orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.rgb.data() + std::size_t(y) * std::size_t(out.width) * 3;
    const int v = mirror_y ? out.height - 1 - y : y;
    for (int x = 0; x < out.width; ++x, to += 3) {
      const int u = mirror_x ? out.width - 1 - x : x;
      const int source_x = swap ? v : u, source_y = swap ? u : v;
      const std::uint8_t* from =
          image.rgb.data() +
          (std::size_t(source_y) * std::size_t(image.width) + std::size_t(source_x)) * 3;
      to[0] = from[0];
      to[1] = from[1];
      to[2] = from[2];
    }
  }
  return out;
}

Status detail::check_pixels(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits) {
  if (width == 0 || height == 0) return input_error("The picture has no pixels.");
  constexpr std::uint64_t kMaxEdge = 1'000'000;
  if (width > kMaxEdge || height > kMaxEdge || width * height > limits.max_pixels)
    return input_error("The picture claims " + std::to_string(width) + " x " +
                           std::to_string(height) + " pixels, more than the limit of " +
                           std::to_string(limits.max_pixels) + ".",
                       {}, "Make it smaller, or take its row out.");
  return {};
}

void detail::count_decoded() { decoded.fetch_add(1, std::memory_order_relaxed); }

std::uint64_t decoded_pictures() { return decoded; }

Result<Image> decode_image_bytes(std::span<const std::byte> bytes, const std::string& where,
                                 const DecodeLimits& limits) {
  const Format* format = format_of(bytes);
  if (!format) return unknown_format(bytes, where);
  auto header = format->header(bytes);
  if (!header) return located(header.error(), where);
  if (auto fits = detail::check_pixels(static_cast<std::uint64_t>(header->width),
                                       static_cast<std::uint64_t>(header->height), limits);
      !fits)
    return located(fits.error(), where);
  detail::count_decoded();
  try {
    auto image = format->decode(bytes, limits);
    if (!image) return located(image.error(), where);
    return detail::turned(image.take(), header->orientation);
  } catch (const std::bad_alloc&) {
    return machine_error("There is not enough memory for a picture of " +
                             std::to_string(header->width) + " x " +
                             std::to_string(header->height) + " pixels.",
                         where, "Make it smaller, or take its row out.");
  }
}

Result<Image> decode_image(const std::filesystem::path& path, const DecodeLimits& limits) {
  if (is_inline_picture(path)) {
    LUTHIER_TRY(const std::string bytes, inline_picture_bytes(path));
    return decode_image_bytes(std::as_bytes(std::span(bytes)), picture_name(path), limits);
  }
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return not_a_file(path);
  LUTHIER_TRY(const std::string contents, read_file(path, kMaxFileBytes));
  return decode_image_bytes(std::as_bytes(std::span(contents)), path.string(), limits);
}

namespace {

/// A PNG's chunks without its pixels, which stand before the turn that EXIF may give behind them: a
/// few reads of eight bytes instead of the whole file.
std::string png_without_pixels(const std::filesystem::path& path) {
  constexpr std::size_t kSignature = 8, kHead = 8, kChecksum = 4, kLargest = 1 << 20;
  std::ifstream file;
  file.rdbuf()->pubsetbuf(nullptr, 0);
  file.open(path, std::ios::binary);
  std::string kept(kSignature, '\0');
  file.read(kept.data(), kSignature);
  std::string head(kHead, '\0');
  while (file.read(head.data(), kHead)) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(head[i]);
    const std::string_view type(head.data() + 4, 4);
    if (type == "IDAT" || length > kLargest) {
      file.seekg(static_cast<std::streamoff>(length + kChecksum), std::ios::cur);
      continue;
    }
    std::string rest(length + kChecksum, '\0');
    if (!file.read(rest.data(), static_cast<std::streamsize>(rest.size()))) break;
    kept += head + rest;
    if (type == "IEND" || kept.size() > (kLargest << 4)) break;
  }
  return kept;
}

Result<ImageSize> size_of(const Result<Header>& header, const std::string& where,
                          const DecodeLimits& limits) {
  if (!header) return located(header.error(), where);
  const auto width = static_cast<std::uint64_t>(header->width);
  const auto height = static_cast<std::uint64_t>(header->height);
  if (auto fits = detail::check_pixels(width, height, limits); !fits)
    return located(fits.error(), where);
  const bool swap = header->orientation >= 5 && header->orientation <= 8;
  return ImageSize{swap ? header->height : header->width, swap ? header->width : header->height};
}

}  // namespace

Result<ImageSize> read_image_size(const std::filesystem::path& path, const DecodeLimits& limits) {
  std::string contents;
  if (is_inline_picture(path)) {
    LUTHIER_TRY(contents, inline_picture_bytes(path));
    const Bytes bytes = std::as_bytes(std::span(contents));
    const Format* format = format_of(bytes);
    if (!format) return unknown_format(bytes, picture_name(path));
    return size_of(format->header(bytes), picture_name(path), limits);
  }
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return not_a_file(path);
  std::ifstream file;
  file.rdbuf()->pubsetbuf(nullptr, 0);
  file.open(path, std::ios::binary);
  if (!file)
    return input_error("The picture cannot be opened.", path.string(), "Check its permissions.");
  const Format* format = nullptr;
  for (const std::size_t wanted : {kFirstBytes, kHeaderBytes}) {
    const std::size_t had = contents.size();
    contents.resize(wanted);
    file.read(contents.data() + had, static_cast<std::streamsize>(wanted - had));
    contents.resize(had + static_cast<std::size_t>(file.gcount()));
    const Bytes bytes = std::as_bytes(std::span(contents));
    format = format_of(bytes);
    if (!format) return unknown_format(bytes, path.string());
    const auto header = format->header(bytes);
    const bool whole = contents.size() < wanted;
    if (whole || (header && header->complete)) return size_of(header, path.string(), limits);
  }
  if (format->header == detail::png_header) {
    contents = png_without_pixels(path);
  } else {
    LUTHIER_TRY(contents, read_file(path, kMaxFileBytes));
  }
  return size_of(format->header(std::as_bytes(std::span(contents))), path.string(), limits);
}

}  // namespace luthier
