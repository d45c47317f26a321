// SPDX-License-Identifier: GPL-3.0-or-later
// Small things that are done to text in more than one room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luthier {

/// Without spaces, tabs and line ends at both ends.
std::string trimmed(const std::string& text);

/// The text up to its first line end: of an exception, what it says without the trace beneath.
std::string first_line(const std::string& text);

/// ASCII letters in lower case; other bytes as they are.
std::string ascii_lower(std::string_view text);

/// "212.0 MiB", "12.6 GiB".
std::string size_text(double bytes);

/// A tensor's shape as errors say it: "[2, 3]".
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace luthier
