// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/base/base64.h"

#include <algorithm>
#include <cstdint>

namespace luthier {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kLongRun = 240, kShown = 24;

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

/// A run of base64 and not a path: paths have slashes more often.
bool is_long_base64(std::string_view run) {
  if (run.size() < kLongRun) return false;
  std::size_t longest = 0, since = 0;
  for (const char c : run) {
    since = c == '/' ? 0 : since + 1;
    longest = std::max(longest, since);
  }
  constexpr std::size_t kLongestName = 64;
  return longest > kLongestName;
}

}  // namespace

std::string encode_base64(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    std::uint32_t group = std::to_integer<std::uint32_t>(bytes[i]) << 16;
    if (left > 1) group |= std::to_integer<std::uint32_t>(bytes[i + 1]) << 8;
    if (left > 2) group |= std::to_integer<std::uint32_t>(bytes[i + 2]);
    text += kAlphabet[group >> 18];
    text += kAlphabet[group >> 12 & 63];
    text += left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    text += left > 2 ? kAlphabet[group & 63] : '=';
  }
  return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t group = 0;
  int digits = 0;
  bool ended = false;
  for (const char c : text) {
    if (is_blank(c)) continue;
    if (c == '=') {
      ended = true;
      continue;
    }
    const int digit = digit_of(c);
    if (digit < 0 || ended) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(digit);
    if (++digits < 4) continue;
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>(group >> shift & 255);
    group = 0;
    digits = 0;
  }
  if (digits == 1) return std::nullopt;
  if (digits >= 2) {
    group <<= 6 * (4 - digits);
    bytes += static_cast<char>(group >> 16 & 255);
    if (digits == 3) bytes += static_cast<char>(group >> 8 & 255);
  }
  return bytes;
}

bool is_base64_text(std::string_view text) {
  while (!text.empty() && (text.back() == '=' || is_blank(text.back()))) text.remove_suffix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return digit_of(c) >= 0 || is_blank(c); });
}

std::string without_base64(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && digit_of(text[end]) >= 0) ++end;
    const std::size_t run = end - at;
    if (is_long_base64(text.substr(at, run))) {
      shown += text.substr(at, kShown);
      shown += "... (" + std::to_string(run) + " characters)";
    } else {
      shown += text.substr(at, run);
    }
    if (end < text.size()) shown += text[end++];
    at = end;
  }
  return shown;
}

}  // namespace luthier
