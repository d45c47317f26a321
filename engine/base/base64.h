// SPDX-License-Identifier: GPL-3.0-or-later
// Base64 (RFC 4648): how rows carry a picture's bytes in JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace luthier {

std::string encode_base64(std::span<const std::byte> bytes);

/// The standard and the URL alphabet; blanks and line ends are passed over, padding may be missing.
/// Nothing when another character stands in it.
std::optional<std::string> decode_base64(std::string_view text);

/// Letters, digits, + / - _ and padding at the end, with blanks between.
bool is_base64_text(std::string_view text);

/// The text with every long run of base64 letters cut down to its start and its length: what a
/// message may show.
std::string without_base64(std::string_view text);

}  // namespace luthier
