// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/html.h"

#include <span>

#include "engine/base/base64.h"
#include "engine/io/json.h"
#include "engine/vision/image.h"

namespace luthier {
namespace {

/// Through the JSON writer, which replaces what is not UTF-8.
std::string valid_utf8(const std::string& text) {
  const std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(quoted).get<std::string>();
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
  return image ? data_uri(thumbnail(*image, longest_edge)) : std::string();
}

std::string data_uri(const Image& image) {
  const auto png = encode_png(image);
  return png ? "data:image/png;base64," + encode_base64(std::as_bytes(std::span(*png)))
             : std::string();
}

}  // namespace luthier
