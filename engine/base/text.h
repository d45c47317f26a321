// SPDX-License-Identifier: GPL-3.0-or-later
// Small things that are done to text in more than one room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace luthier {

/// Without spaces, tabs and line ends at both ends.
std::string trimmed(const std::string& text);

/// A tensor's shape as errors say it: "[2, 3]".
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace luthier
