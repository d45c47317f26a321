// SPDX-License-Identifier: GPL-3.0-or-later
// A film as a row names it, and how it is opened.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/vision/film.h"

namespace luthier {

struct RowFilm {
  std::filesystem::path path;                   ///< a folder of pictures or a file; or
  std::vector<std::filesystem::path> pictures;  ///< its frames one by one
  std::optional<double> fps;                    ///< what the row says of its frames per second

  bool empty() const { return path.empty() && pictures.empty(); }
  bool operator==(const RowFilm&) const = default;
};

/// For errors and the window: the path, or the first picture and the number of them.
std::string film_name(const RowFilm& film);
/// Whether its folder, file or each of its pictures is there.
bool film_exists(const RowFilm& film);
/// Whether its frames are pictures, a folder's or listed: see FrameChoice::of_pictures.
bool is_sequence(const RowFilm& film);
Result<std::unique_ptr<FilmSource>> open_film(const RowFilm& film, const DecodeLimits& limits = {});

}  // namespace luthier
