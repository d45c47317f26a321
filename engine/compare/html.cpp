// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/html.h"

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/io/json.h"
#include "engine/vision/image.h"

namespace luthier {
namespace {

/// Through the JSON writer, which replaces what is not UTF-8.
std::string valid_utf8(const std::string& text) {
  const std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(quoted).get<std::string>();
}

std::string base64(const std::vector<std::uint8_t>& bytes) {
  static constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16 |
                                (left > 1 ? static_cast<std::uint32_t>(bytes[i + 1]) << 8 : 0) |
                                (left > 2 ? bytes[i + 2] : 0u);
    text += alphabet[group >> 18];
    text += alphabet[group >> 12 & 63];
    text += left > 1 ? alphabet[group >> 6 & 63] : '=';
    text += left > 2 ? alphabet[group & 63] : '=';
  }
  return text;
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

std::string html_escaped(const std::string& text) {
  std::string result;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 && !is_space(c))
          result += "\xEF\xBF\xBD";
        else
          result += c;
    }
  }
  return result;
}

std::string picture_data_uri(const std::filesystem::path& path, int longest_edge) {
  const auto image = decode_image(path);
  if (!image) return {};
  const auto png = encode_png(thumbnail(*image, longest_edge));
  return png ? "data:image/png;base64," + base64(*png) : std::string();
}

}  // namespace luthier
