// SPDX-License-Identifier: GPL-3.0-or-later
// What lists and pages show of a row's film: some of its frames side by side.
#pragma once

#include "engine/data/row_film.h"

namespace luthier {

/// At most `most` frames, evenly from the first to the last, each with its longer edge at most
/// `edge`.
Result<Image> film_strip(const RowFilm& film, std::int64_t most, int edge);

}  // namespace luthier
