// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/inline_picture.h"

#include <cctype>
#include <string_view>

#include "engine/base/base64.h"
#include "engine/io/file_kind.h"

namespace luthier {

namespace {

constexpr std::string_view kScheme = "data:";

}  // namespace

bool is_inline_picture(const std::filesystem::path& picture) {
  return std::string_view(picture.native()).starts_with(kScheme);
}

std::filesystem::path inline_picture(const std::string& base64) { return "data:;base64," + base64; }

Result<std::string> inline_picture_bytes(const std::filesystem::path& picture) {
  const std::string_view text = picture.native();
  const std::size_t comma = text.find(',');
  const auto refuse = [&](const char* what) {
    return input_error(what, picture_name(picture),
                       "It must read data:image/png;base64,... or be the base64 alone.");
  };
  if (comma == std::string_view::npos || !text.substr(0, comma).ends_with(";base64"))
    return refuse("The picture's data URI is not base64.");
  auto bytes = decode_base64(text.substr(comma + 1));
  if (!bytes) return refuse("The picture's base64 is broken.");
  return std::move(*bytes);
}

std::string picture_name(const std::filesystem::path& picture) {
  if (!is_inline_picture(picture)) return picture.string();
  const std::size_t bytes = picture.native().size() / 4 * 3;
  const std::string size =
      bytes < 1024 ? std::to_string(bytes) + " bytes" : std::to_string(bytes / 1024) + " KiB";
  return "a picture in base64 (" + size + ")";
}

bool looks_like_base64_picture(const std::string& text) {
  constexpr std::size_t kShortest = 48, kHeadLetters = 176;  // as far as signatures stand
  if (text.size() < kShortest) return false;
  // Paths begin with a slash, too, and "/wor..." with the two bytes that tell a JPEG XL: of such
  // texts only those with a JPEG's three are pictures.
  if (text.front() == '/' && !text.starts_with("/9j/")) return false;
  std::string head;
  for (std::size_t at = 0; at < text.size() && head.size() < kHeadLetters; ++at)
    if (std::isspace(static_cast<unsigned char>(text[at])) == 0) head += text[at];
  const auto bytes = decode_base64(head);
  return bytes && file_kind(*bytes).family == FileFamily::Picture && is_base64_text(text);
}

}  // namespace luthier
