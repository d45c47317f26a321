// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/inline_picture.h"

#include <algorithm>
#include <string_view>

#include "engine/base/base64.h"

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
  constexpr std::size_t kShortest = 48, kNoPath = 1024, kLongHead = 200;
  if (text.size() < kShortest || !is_base64_text(text)) return false;
  // PNG, JPEG, WebP, GIF, TIFF of either order
  for (const char* head : {"iVBORw0KGgo", "/9j/", "UklGR", "R0lGOD", "SUkqA", "TU0AK"})
    if (text.starts_with(head)) return true;
  if (text.starts_with("Qk") && text.size() >= kLongHead) return true;  // BMP
  return text.size() > kNoPath;
}

}  // namespace luthier
