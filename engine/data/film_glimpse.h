// SPDX-License-Identifier: GPL-3.0-or-later
// What lists and pages show of a row's film: some of its frames, evenly from first to last.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "engine/data/row_film.h"

namespace luthier {

/// At most so many of the pictures of a film that is made of pictures; empty for others and where
/// its folder cannot be read.
std::vector<std::filesystem::path> film_glimpse(const RowFilm& film, std::size_t most);

}  // namespace luthier
