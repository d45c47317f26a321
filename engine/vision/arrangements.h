// SPDX-License-Identifier: GPL-3.0-or-later
// How a picture is laid over tiles of one size: the arrangements of columns and rows that there may
// be, and the choice among them. Internal to the vision room.
#pragma once

#include <vector>

#include "engine/vision/processor_settings.h"

namespace luthier::detail {

struct Arrangement {
  std::int64_t columns = 1, rows = 1;
};

/// All of `least` to `most` tiles, those of fewer tiles first, then those of fewer columns.
std::vector<Arrangement> arrangements(std::int64_t least, std::int64_t most);

/// The one whose proportions are nearest to the picture's (GOT-OCR2, InternVL); of equals, more
/// tiles as long as the picture covers more than half of them. One tile where the list is empty.
Arrangement nearest_arrangement(const std::vector<Arrangement>& list, Extent from, Extent tile);

/// Ovis 2's: the fewest tiles that hold more than 0.9 of the picture when each part of it is shrunk
/// until its longer edge is no longer than `side`, of equals the one that holds most; where none
/// does, the one that holds most. The list begins with one tile.
Arrangement covering_arrangement(const std::vector<Arrangement>& list, Extent from,
                                 std::int64_t side);

}  // namespace luthier::detail
