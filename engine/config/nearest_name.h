// SPDX-License-Identifier: GPL-3.0-or-later
// "Did you mean": the known name nearest to what a person typed, by Levenshtein distance, so that a
// refusal can say how to go on.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace luthier {

/// Insertions, deletions and replacements (each 1) that turn one into the other; upper and lower
/// case count as the same letter.
std::size_t edit_distance(std::string_view left, std::string_view right);

/// The nearest of `known` (the first of equals); empty when `known` is. Long names are compared by
/// their first 256 bytes.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace luthier
