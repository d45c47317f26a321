// SPDX-License-Identifier: GPL-3.0-or-later
// Everything is read as if it were text between quotes, so that what the row's texts hold is in it.
#include "engine/data/row_bytes.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

namespace luthier::detail {

namespace {

/// Four hexadecimal digits at `at`; -1: there are none.
std::int32_t code_unit(std::string_view text, std::size_t at) {
  std::uint32_t unit = 0;
  if (at + 4 > text.size()) return -1;
  const auto [end, fault] = std::from_chars(text.data() + at, text.data() + at + 4, unit, 16);
  if (fault != std::errc() || end != text.data() + at + 4) return -1;
  return static_cast<std::int32_t>(unit);
}

void append_letter(std::string& text, std::uint32_t letter) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  const auto rest = [&](int shift) { put(0x80 | ((letter >> shift) & 0x3f)); };
  if (letter < 0x80) {
    put(letter);
  } else if (letter < 0x800) {
    put(0xc0 | letter >> 6);
    rest(0);
  } else if (letter < 0x10000) {
    put(0xe0 | letter >> 12);
    rest(6);
    rest(0);
  } else {
    put(0xf0 | letter >> 18);
    rest(12);
    rest(6);
    rest(0);
  }
}

/// What stands behind the backslash at `at`, put to the text; where reading goes on.
std::size_t take_escaped(std::string_view json, std::size_t at, std::string& text) {
  if (at + 1 >= json.size()) return json.size();
  constexpr std::string_view kNames = "nrtbf", kLetters = "\n\r\t\b\f";
  const char name = json[at + 1];
  if (name != 'u') {
    const std::size_t known = kNames.find(name);
    text += known == std::string_view::npos ? name : kLetters[known];
    return at + 2;
  }
  const std::int32_t unit = code_unit(json, at + 2);
  if (unit < 0) return at + 2;  // no JSON: the row holds nothing
  const bool leads = unit >= 0xd800 && unit < 0xdc00;
  const std::int32_t second =
      leads && json.substr(at + 6, 2) == "\\u" ? code_unit(json, at + 8) : -1;
  if (second >= 0xdc00 && second < 0xe000) {
    append_letter(
        text, static_cast<std::uint32_t>(0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00)));
    return at + 12;
  }
  append_letter(text, static_cast<std::uint32_t>(unit));
  return at + 6;
}

}  // namespace

bool may_hold(std::string_view json, std::string_view wanted) {
  // Numbers and truth values are looked for as they are written by us, not as they stand there.
  if (wanted.find_first_not_of("0123456789+-.aeflrstu") == std::string_view::npos) return true;
  std::string text;
  text.reserve(json.size());
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t escaped = std::min(json.find('\\', at), json.size());
    text.append(json, at, escaped - at);
    at = escaped < json.size() ? take_escaped(json, escaped, text) : escaped;
  }
  for (char& letter : text)
    letter = static_cast<char>(letter + (letter >= 'A' && letter <= 'Z' ? 'a' - 'A' : 0));
  return text.find(wanted) != std::string::npos;
}

}  // namespace luthier::detail
